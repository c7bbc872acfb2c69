#if Serving
import Foundation
import RBNRuntime
import Testing

@testable import RBNServing

@Suite struct OperationTests {
  @Test func aTokenIsAskedForWhereThereIsOne() async throws {
    try await TestServer.run(["digits.rbn": TestServer.digits], { $0.bearerToken = "correct-horse" }) {
      test in
      for path in ["/v2/health/live", "/v2/health/ready", "/metrics", "/"] {
        #expect(try await test.client.get(path).status == 200, "\(path)")
      }
      for header in [
        nil, "Bearer", "Bearer wrong", "Bearer correct-hors", "Bearer correct-horse1", "Basic correct-horse",
      ] {
        let answer = try await test.client.get("/v2", header.map { ["Authorization": $0] } ?? [:])
        #expect(answer.status == 401, "\(header ?? "")")
        #expect(answer.headers["www-authenticate"] == "Bearer")
        #expect(answer.error != nil)
      }
      for header in ["Bearer correct-horse", "bearer correct-horse"] {
        #expect(try await test.client.get("/v2", ["Authorization": header]).status == 200)
      }
      #expect(try await test.client.send("POST", "/v2/repository/models/digits/unload").status == 401)
    }
  }

  @Test func requestsHaveIdsAndAPlaceInTheirTrace() async throws {
    try await TestServer.run([:]) { test in
      let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
      let answer = try await test.client.get(
        "/v2", ["X-Request-ID": "abc-1", "traceparent": "00-\(trace)-00f067aa0ba902b7-01"])
      #expect(answer.headers["x-request-id"] == "abc-1")
      let place = try #require(answer.headers["traceresponse"]).split(separator: "-")
      #expect(place.count == 4)
      #expect(place[1] == trace[...])
      #expect(place[2] != "00f067aa0ba902b7")
      #expect(place[3] == "01")
      // What can't be an id is replaced, and each request without one gets its own.
      var ids: Set<String> = []
      for id in ["", "a b", "a\"b", String(repeating: "x", count: 129), "ä"] {
        let answer = try await test.client.get("/v2/nothing", ["X-Request-ID": id])
        ids.insert(try #require(answer.headers["x-request-id"]))
      }
      #expect(ids.count == 5)
      #expect(ids.allSatisfy { $0.count == 32 })
    }
  }

  @Test(arguments: [
    ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
    ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-future", true),
    ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-future", false),
    ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
    ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
    ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
    ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
    ("00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", false), ("", false), ("00", false),
  ])
  func traceParents(header: String, isValid: Bool) {
    let context = TraceContext(parent: header)
    #expect((context != nil) == isValid)
    if let context { #expect(TraceContext(parent: context.header)?.traceID == context.traceID) }
  }

  @Test func metricsAreInPrometheusFormat() async throws {
    try await TestServer.run { test in
      let image = try TestServer.digits(1)
      for _ in 0..<3 {
        _ = try await test.client.post(
          "/v2/models/digits/infer", json: ["inputs": [InferJSON.input(image)]])
      }
      _ = try await test.client.get("/v2/models/nobody")
      let answer = try await test.client.get("/metrics")
      #expect(answer.headers["content-type"]?.hasPrefix("text/plain; version=0.0.4") ?? false)
      let lines = answer.text.split(separator: "\n").map(String.init)
      for line in [
        #"rbn_predictions_total{model="digits",version="1",outcome="success"} 3"#,
        #"rbn_http_requests_total{route="/v2/models/{model}/infer",method="POST",status="200"} 3"#,
        #"rbn_http_requests_total{route="/v2/models/{model}",method="GET",status="404"} 1"#,
        #"rbn_queue_length{model="digits",version="1"} 0"#,
        #"rbn_batch_rows_count{model="digits",version="1"} 3"#,
        #"rbn_batch_rows_bucket{model="digits",version="1",le="1"} 3"#,
        #"rbn_queue_seconds_count{model="digits",version="1"} 3"#,
        #"rbn_compute_seconds_bucket{model="digits",version="1",le="+Inf"} 3"#,
        #"rbn_model_loads_total{outcome="success"} 1"#, "# TYPE rbn_compute_seconds histogram",
        "# TYPE rbn_queue_length gauge", "# TYPE rbn_predictions_total counter",
      ] {
        #expect(lines.contains(line), "\(line)")
      }
      // Each line is a comment or a sample, and each metric is typed once.
      let sample = /[a-zA-Z_][a-zA-Z0-9_]*(\{([a-z_]+="[^"]*",?)*\})? -?[0-9.e+-]+/
      for line in lines where !line.hasPrefix("# TYPE ") {
        #expect(line.wholeMatch(of: sample) != nil, "\(line)")
      }
      let types = lines.filter { $0.hasPrefix("# TYPE") }
      #expect(Set(types).count == types.count)
    }
  }

  @Test func theVersionsOfAModelAreCountedApart() async throws {
    let files = ["digits/1/model.rbn": TestServer.digits, "digits/2/model.rbn": TestServer.digits]
    try await TestServer.run(files) { test in
      let request = ["inputs": [InferJSON.input(try TestServer.digits(1))]]
      for (version, count) in [("1", 2), ("2", 3)] {
        for _ in 0..<count {
          let path = "/v2/models/digits/versions/\(version)/infer"
          #expect(try await test.client.post(path, json: request).status == 200)
        }
      }
      let lines = try await test.client.get("/metrics").text.split(separator: "\n").map(String.init)
      for line in [
        #"rbn_predictions_total{model="digits",version="1",outcome="success"} 2"#,
        #"rbn_predictions_total{model="digits",version="2",outcome="success"} 3"#,
        #"rbn_batch_rows_count{model="digits",version="1"} 2"#,
        #"rbn_batch_rows_count{model="digits",version="2"} 3"#,
      ] {
        #expect(lines.contains(line), "\(line)")
      }
    }
  }

  @Test func onShutdownTheServerIsNotReadyThenDrains() async throws {
    try await TestServer.run(["digits.rbn": TestServer.digits], { $0.drainDelay = .milliseconds(500) }) {
      test in
      await test.group.triggerGracefulShutdown()
      try await test.waitUntil { try await test.client.get("/v2/health/ready").status == 503 }
      // Still served, while load balancers take notice.
      #expect(try await test.client.get("/v2/health/live").status == 200)
      let image = try TestServer.digits(1)
      let answer = try await test.client.post(
        "/v2/models/digits/infer", json: ["inputs": [InferJSON.input(image)]])
      #expect(answer.status == 200)
      // Then nobody listens any more.
      try await test.waitUntil { (try? await test.client.get("/v2/health/live")) == nil }
    }
  }

  @Test func requestsInFlightAreAnsweredOnShutdown() async throws {
    try await TestServer.run { test in
      let image = try TestServer.digits(1)
      let request = try InferJSON.binary(image)
      var head =
        "POST /v2/models/digits/infer HTTP/1.1\r\nHost: a\r\nContent-Length: \(request.body.count)\r\n"
      for (name, value) in request.headers { head += "\(name): \(value)\r\n" }
      let bytes = Array((head + "\r\n").utf8) + request.body
      // Half of the body comes only when the server has been told to stop.
      async let answer = test.client.exchange(bytes, pause: 0.5)
      try await Task.sleep(for: .milliseconds(200))
      await test.group.triggerGracefulShutdown()
      let status = try await answer?.status
      #expect(status == 200)
    }
  }

  @Test func serversThatCantStartSaySo() async throws {
    await #expect(throws: RBNError.self) {
      try await TestServer.run([:], isReady: false, { $0.modelsPath = "/nowhere" }) { _ in }
    }
    await #expect(throws: RBNError.self) {
      try await TestServer.run(
        [:], isReady: false,
        {
          $0.tls = .init(certificatePath: "/nowhere.pem", keyPath: "/nowhere.key")
        }
      ) { _ in }
    }
    let changes: [@Sendable (inout ServerConfiguration) -> Void] = [
      { $0.port = 70000 }, { $0.bearerToken = "short" }, { $0.bearerToken = "with a space" },
      { $0.limits.rows = 0 }, { $0.batching.largestBatch = 0 }, { $0.batching.queueLimit = 0 },
      { $0.pollInterval = .zero }, { $0.threads = 0 }, { $0.limits.idleTime = .zero },
      { $0.limits.bodyBytesInFlight = 0 }, { $0.limits.activationBytes = 0 },
      { $0.drainTime = .seconds(-1) },
    ]
    for change in changes {
      await #expect(throws: RBNError.self) { try await TestServer.run([:], change) { _ in } }
    }
  }
}
#endif
