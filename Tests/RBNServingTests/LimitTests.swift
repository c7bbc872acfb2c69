#if Serving
import Foundation
import RBNRuntime
import Testing

@testable import RBNServing

@Suite(.serialized) struct LimitTests {
  private static let infer = "/v2/models/digits/infer"

  @Test func longBodiesAreRefused() async throws {
    try await TestServer.run([:], { $0.limits.bodyBytes = 1000 }) { test in
      let long = [UInt8](repeating: 32, count: 100_000)
      let answer = try await test.client.send("POST", "/v2/repository/index", body: long)
      #expect(answer.status == 413)
      #expect(answer.error != nil)
      #expect(answer.headers["connection"] == "close")
      // Without a length beforehand.
      let chunked = "POST /v2/repository/index HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      let chunk = "800\r\n" + String(repeating: " ", count: 0x800) + "\r\n"
      let bytes = Array((chunked + chunk + chunk + "0\r\n\r\n").utf8)
      #expect(try await test.client.exchange(bytes)?.status == 413)
    }
    try await TestServer.run([:], { $0.limits.bodyBytesInFlight = 1000 }) { test in
      let answer = try await test.client.send(
        "POST", "/v2/repository/index", body: [UInt8](repeating: 32, count: 5000))
      #expect(answer.status == 503)
      // The bytes no longer count when their request has ended.
      #expect(try await test.client.send("POST", "/v2/repository/index").status == 200)
    }
  }

  @Test func jsonIsLimitedInLengthAndDepth() async throws {
    try await TestServer.run(["digits.rbn": TestServer.digits], { $0.limits.jsonBytes = 2000 }) { test in
      let long = try await test.client.post(
        Self.infer, json: ["inputs": [InferJSON.input(try TestServer.digits(4))]])
      #expect(long.status == 413)
      let deep = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
      for path in [Self.infer, "/v2/repository/index"] {
        let answer = try await test.client.send("POST", path, body: Array("{\"inputs\":\(deep)}".utf8))
        #expect(answer.status == 400)
        #expect(answer.error?.contains("nested deeper") ?? false, "\(answer.text)")
      }
    }
  }

  @Test func rowsAndActivationsAreLimited() async throws {
    try await TestServer.run(
      ["digits.rbn": TestServer.digits],
      { configuration in
        configuration.limits.rows = 3
        configuration.limits.activationBytes = 8 << 20
      }
    ) { test in
      let rows = try await test.client.post(
        Self.infer, json: ["inputs": [InferJSON.input(try TestServer.digits(4))]])
      #expect(rows.status == 413)
      let large = try InferJSON.binary(try Tensor.zeros([1, 1, 1024, 1024]))
      let answer = try await test.client.send("POST", Self.infer, large.headers, body: large.body)
      #expect(answer.status == 413, "\(answer.text)")
    }
  }

  @Test func slowBodiesAreAnsweredAndCut() async throws {
    try await TestServer.run([:], { $0.limits.requestTime = .milliseconds(300) }) { test in
      let head = "POST /v2/repository/index HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"
      let answer = try await test.client.exchange(Array(head.utf8))
      #expect(answer?.status == 408)
      #expect(answer?.error != nil)
    }
  }

  @Test func silentConnectionsAreClosed() async throws {
    try await TestServer.run([:], { $0.limits.idleTime = .milliseconds(200) }) { test in
      for start in ["", "GET /v2 HTTP/1.1\r\nHo"] {
        let answer = try await test.client.exchange(Array(start.utf8))
        #expect(answer == nil, "\(start)")
      }
    }
  }

  @Test func connectionsBeyondTheLimitWait() async throws {
    try await TestServer.run([:], { $0.limits.connections = 2 }) { test in
      let port = test.client.port
      let request = Array("GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8)
      var held: [Connection] = [
        try Connection(port: port, timeout: 5), try Connection(port: port, timeout: 5),
      ]
      // Answered once, to be sure that both are accepted.
      for connection in held { connection.write(Array("GET /v2 HTTP/1.1\r\n".utf8)) }
      try await Task.sleep(for: .milliseconds(100))
      await #expect(throws: POSIXError.self) { try await test.client.exchange(request, timeout: 0.3) }
      withExtendedLifetime(held) {}
      held.removeAll()
      try await test.waitUntil { try await test.client.exchange(request)?.status == 200 }
    }
  }

  @Test func whatIsNotHTTPIsAnsweredInJSON() async throws {
    try await TestServer.run([:]) { test in
      for text in [
        "hello\r\n\r\n", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n", "GET  HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      ] {
        let answer = try await test.client.exchange(Array(text.utf8))
        #expect(answer?.status == 400, "\(text)")
        #expect(answer?.error != nil, "\(text)")
      }
      let long = "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: 100_000) + "\r\n\r\n"
      #expect(try await test.client.exchange(Array(long.utf8))?.status == 431)
    }
  }

  @Test func everyRequestIsAnsweredByItsDeadline() async throws {
    let photo = Array(
      try Data(contentsOf: URL(fileURLWithPath: TestServer.fixture("photos/chelsea.jpg"))))
    let image = try TestServer.digits(1)
    try await TestServer.run(
      ["digits.rbn": TestServer.digits], { $0.limits.requestTime = .milliseconds(800) }
    ) { test in
      let limits = test.server.configuration.limits
      #expect(limits.resultTime == .milliseconds(760))
      try await TestServer.whileProcessorsAreBusy { _ in
        let start = ContinuousClock.now
        let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
          for _ in 0..<4 {
            group.addTask {
              try await test.client.post(Self.infer, json: ["inputs": [InferJSON.input(image)]]).status
            }
            group.addTask {
              try await test.client.send("POST", "/v2/models/digits/classify", body: photo).status
            }
          }
          return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(statuses == Array(repeating: 503, count: 8))
        // The processors are still busy; the rest is what the tests beside this one take.
        #expect(ContinuousClock.now - start < .seconds(3))
      }
    }
  }

  @Test func aFullQueueAndADeadlineGive503() async throws {
    try await TestServer.run(
      ["digits.rbn": TestServer.digits],
      { configuration in
        configuration.batching.queueLimit = 2
        configuration.limits.requestTime = .seconds(20)
      }
    ) { test in
      let image = try TestServer.digits(1)
      let answers = try await TestServer.whileProcessorsAreBusy { release in
        let late = try await test.client.post(
          Self.infer, json: ["inputs": [InferJSON.input(image)], "parameters": ["timeout": 50_000]])
        #expect(late.status == 503)
        #expect(late.headers["retry-after"] == "1")
        #expect(late.error?.contains("deadline") ?? false)
        return try await withThrowingTaskGroup(of: Int.self) { group in
          for _ in 0..<12 {
            group.addTask {
              try await test.client.post(Self.infer, json: ["inputs": [InferJSON.input(image)]]).status
            }
          }
          var statuses: [Int] = []
          for try await status in group {
            statuses.append(status)
            // One is as good as running, two wait; when all others have been refused, those three may go on.
            if statuses.count == 9 { release() }
          }
          return statuses
        }
      }
      #expect(answers.prefix(9).allSatisfy { $0 == 503 })
      #expect(answers.suffix(3).allSatisfy { $0 == 200 })
      // Each refusal is counted, whether it came before the body was read as JSON or after.
      let metrics = try await test.client.get("/metrics").text
      #expect(
        metrics.contains(
          #"rbn_predictions_total{model="digits",version="1",outcome="queue_full"} 9"# + "\n"), "\(metrics)")
      #expect(try await test.client.get("/v2/health/live").status == 200)
    }
  }
}
#endif
