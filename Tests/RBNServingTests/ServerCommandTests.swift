#if Serving
import Foundation
import Testing

/// The executable, as people and orchestrators run it.
@Suite struct ServerCommandTests {
  private static let executable: URL? = {
    let tests = URL(fileURLWithPath: CommandLine.arguments.first ?? "").resolvingSymlinksInPath()
    let folders = [
      tests.deletingLastPathComponent(), Bundle.main.bundleURL,
      TestServer.root.appendingPathComponent(".build/release"),
    ]
    return folders.map { $0.appendingPathComponent("rbn-server") }
      .first { FileManager.default.isExecutableFile(atPath: $0.path) }
  }()

  private final class Run {
    let process = Process()
    let errors = URL(fileURLWithPath: NSTemporaryDirectory()).appendingPathComponent(
      "rbn-server-\(UUID().uuidString)")

    init(_ arguments: [String]) throws {
      let executable: URL = try #require(ServerCommandTests.executable, "rbn-server has not been built")
      process.executableURL = executable
      process.arguments = arguments
      try Data().write(to: errors)
      process.standardOutput = FileHandle.nullDevice
      process.standardError = try FileHandle(forWritingTo: errors)
      try process.run()
    }

    deinit {
      if process.isRunning { process.terminate() }
      try? FileManager.default.removeItem(at: errors)
    }

    /// The events, each a line of JSON.
    var events: [[String: String]] {
      log.split(separator: "\n").compactMap { line in
        try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String]
      }
    }

    /// The port, as soon as the server listens.
    func port() async throws -> Int {
      var port: Int?
      for _ in 0..<3000 where port == nil && process.isRunning {
        try await Task.sleep(for: .milliseconds(10))
        port = events.compactMap { $0["port"].flatMap { Int($0) } }.first
      }
      return try #require(port, "\(log)")
    }

    var log: String { (try? String(contentsOf: errors, encoding: .utf8)) ?? "" }

    /// Sends SIGTERM when the log has so many lines with a text: from a process of its own, since the threads of the tests may
    /// all be busy.
    func terminate(when count: Int, of text: String) throws {
      let shell = Process()
      shell.executableURL = URL(fileURLWithPath: "/bin/sh")
      let script = """
        until [ "$(grep -c "$1" "$2")" -ge "$3" ]; do kill -0 "$0" || exit; sleep 0.05; done; kill -TERM "$0"
        """
      shell.arguments = ["-c", script, "\(process.processIdentifier)", text, errors.path, "\(count)"]
      try shell.run()
    }

    /// The exit status; the negative of a signal's number.
    func end() -> Int32 {
      process.waitUntilExit()
      return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }
  }

  @Test func wrongUsageGives2AndHelp0() throws {
    for arguments in [
      [], ["a", "b"], ["/nowhere"], [TestServer.root.path, "--port", "x"],
      [TestServer.root.path, "--port", "70000"],
      [TestServer.root.path, "--tls-key", "a"], [TestServer.root.path, "--bearer-token-file", "/nowhere"],
      [TestServer.root.path, "--max-body", "0"], [TestServer.root.path, "--request-time", "-1"],
      [TestServer.root.path, "--threads", "0"], [TestServer.root.path, "--idle-time", "0"],
    ] {
      let run = try Run(arguments)
      #expect(run.end() == 2, "\(arguments)")
      #expect(!run.log.isEmpty)
    }
    for argument in ["--help", "--version"] {
      let run = try Run([argument])
      #expect(run.end() == 0)
    }
  }

  @Test func aSignalEndsItWith0() async throws {
    let models = FileManager.default.temporaryDirectory.appendingPathComponent(
      "rbn-serving-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: models) }
    try TestServer.put(TestServer.digits, models.appendingPathComponent("digits.rbn"))
    for signal in [SIGTERM, SIGINT] {
      let run = try Run([models.path, "--port", "0"])
      let client = HTTPClient(port: try await run.port())
      #expect(try await client.get("/v2/health/live").status == 200)
      kill(run.process.processIdentifier, signal)
      #expect(run.end() == 0, "\(run.log)")
      // Every line is an event in JSON.
      #expect(run.events.count == run.log.split(separator: "\n").count)
      #expect(run.events.allSatisfy { $0["level"] != nil && $0["message"] != nil }, "\(run.log)")
    }
  }

  @Test func aSignalEndsItWhileModelsAreLoaded() async throws {
    let models = FileManager.default.temporaryDirectory.appendingPathComponent(
      "rbn-serving-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: models, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: models) }
    let count = 200
    for index in 0..<count {
      try FileManager.default.createSymbolicLink(
        at: models.appendingPathComponent("model\(index).rbn"),
        withDestinationURL: URL(
          fileURLWithPath: TestServer.fixture("efficientnet-lite0/efficientnet-lite0.rbn")))
    }
    // With a watcher that waits for the loading to end.
    let run = try Run([models.path, "--port", "0", "--poll-interval", "0.05"])
    try run.terminate(when: 3, of: "Model loaded")
    #expect(run.end() == 0, "\(run.log)")
    #expect(run.events.filter { $0["message"] == "Model loaded" }.count < count)
    #expect(run.events.allSatisfy { $0["level"] != "error" }, "\(run.log)")
  }
}
#endif
