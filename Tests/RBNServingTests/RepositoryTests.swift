#if Serving
import Foundation
import Logging
import RBNRuntime
import Synchronization
import Testing

@testable import RBNServing

@Suite struct RepositoryTests {
  private static let other = TestServer.fixture("digits/digits-rbn.pt2")

  private static func index(_ test: TestServer, ready: Bool = false) async throws -> [String] {
    let answer = try await test.client.post("/v2/repository/index", json: ready ? ["ready": true] : [:])
    let models = answer.json as? [[String: String]] ?? []
    return models.map { "\($0["name"] ?? "")/\($0["version"] ?? "") \($0["state"] ?? "")" }
  }

  @Test func filesAndFoldersOfVersionsAreModels() async throws {
    let files = [
      "a.rbn": TestServer.digits, "b/1/model.rbn": TestServer.digits, "b/10/model.pt2": Self.other,
      "b/9/model.rbn": TestServer.digits, "c.pth": TestServer.fixture("digits/digits-rbn.pth"),
      // None of these is a model.
      ".hidden.rbn": TestServer.digits, "d/01/model.rbn": TestServer.digits,
      "d/latest/model.rbn": TestServer.digits, "notes.txt": TestServer.fixture("digits/labels.txt"),
      "e/1/one.rbn": TestServer.digits, "e/1/two.rbn": TestServer.digits,
    ]
    try await TestServer.run(files) { test in
      #expect(
        try await Self.index(test) == ["a/1 READY", "b/1 READY", "b/9 READY", "b/10 READY", "c/1 READY"])
      // The highest version counts, as a number.
      let model = try await test.client.get("/v2/models/b")
      #expect(model["versions"] as? [String] == ["1", "9", "10"])
      let request = ["inputs": [InferJSON.input(try TestServer.digits(1))]]
      let inferred = try await test.client.post("/v2/models/b/infer", json: request)
      #expect(inferred["model_version"] as? String == "10", "\(inferred.text)")
    }
  }

  #if canImport(Glibc)
  /// Runs `body` without root's right to read everything: on this thread, files are opened as if by nobody.
  private static func asNobody<Result>(_ body: () throws -> Result) throws -> Result {
    guard geteuid() == 0 else { return try body() }
    typealias SetUser = @convention(c) (uid_t) -> Int32
    let setUser = unsafeBitCast(try #require(dlsym(dlopen(nil, RTLD_NOW), "setfsuid")), to: SetUser.self)
    _ = setUser(65534)
    defer { _ = setUser(0) }
    return try body()
  }

  @Test func aFolderThatCantBeReadIsPassedOver() throws {
    let models = FileManager.default.temporaryDirectory.appendingPathComponent(
      "rbn-serving-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: models, withIntermediateDirectories: true)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: models.path)
    defer { try? FileManager.default.removeItem(at: models) }
    for name in ["a.rbn", "lost+found/1/model.rbn", "some/1/model.rbn", "some/2/model.rbn", "z/3/model.rbn"] {
      try TestServer.put(TestServer.digits, models.appendingPathComponent(name))
    }
    for name in ["lost+found", "some/1"] {
      let path = models.appendingPathComponent(name).path
      try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: path)
    }
    defer {
      for name in ["lost+found", "some/1"] {
        let path = models.appendingPathComponent(name).path
        try? FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
      }
    }
    let contents = try Self.asNobody { try ModelFolder(path: models.path).scan() }
    #expect(contents.entries.map { "\($0.key.name)/\($0.key.version)" } == ["a/1", "some/2", "z/3"])
    #expect(contents.unreadable == ["lost+found", "some"])
  }
  #endif

  @Test func loadingEndsWhenTheServerIsToldToStop() async throws {
    let files = Dictionary(uniqueKeysWithValues: (0..<8).map { ("model\($0).rbn", TestServer.digits) })
    try await TestServer.run(files) { test in
      let configuration = test.server.configuration
      let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
      let repository = ModelRepository(configuration, logger: logger, metrics: PrometheusRegistry())
      let hasEnded = Flag()
      try await TestServer.whileProcessorsAreBusy { _ in
        let loading = Task {
          defer { hasEnded.set() }
          try await repository.loadAll()
        }
        try await Task.sleep(for: .milliseconds(50))
        loading.cancel()
        // Although nothing can be computed, so that no model can be loaded.
        try await test.waitUntil { hasEnded.isSet }
        await #expect(throws: CancellationError.self) { try await loading.value }
      }
      try await Task.sleep(for: .milliseconds(100))
      // What was not loaded is not called unfit.
      #expect(repository.index().isEmpty)
    }
  }

  @Test func aModelThatCantBeLoadedIsListedWithTheReason() async throws {
    let files = [
      "good.rbn": TestServer.digits, "bad.rbn": TestServer.fixture("digits/labels.txt"),
      "evil.pth": TestServer.fixture("malformed/checkpoint-builtins-eval.pth"),
    ]
    try await TestServer.run(files, isReady: false) { test in
      try await test.waitUntil { try await Self.index(test).count == 3 }
      #expect(
        try await Self.index(test) == ["bad/1 UNAVAILABLE", "evil/1 UNAVAILABLE", "good/1 READY"])
      #expect(try await Self.index(test, ready: true) == ["good/1 READY"])
      let ready = try await test.client.get("/v2/health/ready")
      #expect(ready.status == 503)
      #expect(ready["ready"] as? Bool == false)
      for path in ["/v2/models/bad", "/v2/models/bad/ready"] {
        let answer = try await test.client.get(path)
        #expect(answer.status == 503)
        #expect(answer.error?.contains("is not available") ?? false)
        // Where the server keeps its files is not the client's business.
        #expect(!answer.text.contains(test.models))
      }
      let load = try await test.client.post("/v2/repository/models/bad/load", json: [:])
      #expect(load.status == 400)
      #expect(!load.text.contains(test.models))
      try test.put(TestServer.digits, as: "bad.rbn")
      #expect(try await test.client.post("/v2/repository/models/bad/load", json: [:]).status == 200)
      #expect(try await test.client.get("/v2/models/bad/ready").status == 200)
    }
  }

  @Test func modelsAreUnloadedAndLoadedAgain() async throws {
    try await TestServer.run { test in
      #expect(try await test.client.post("/v2/repository/models/digits/unload", json: [:]).status == 200)
      #expect(try await Self.index(test) == ["digits/1 UNAVAILABLE"])
      #expect(try await test.client.get("/v2/models/digits").status == 503)
      // It was asked for, so the server as a whole is ready.
      #expect(try await test.client.get("/v2/health/ready").status == 200)
      #expect(try await test.client.send("POST", "/v2/repository/models/digits/load").status == 200)
      #expect(try await Self.index(test) == ["digits/1 READY"])
      for action in ["load", "unload"] {
        #expect(try await test.client.send("POST", "/v2/repository/models/x/\(action)").status == 404)
        let malformed = try await test.client.send(
          "POST", "/v2/repository/models/digits/\(action)", body: Array("[".utf8))
        #expect(malformed.status == 400)
      }
    }
  }

  @Test func theFolderIsFollowed() async throws {
    try await TestServer.run(["a.rbn": TestServer.digits], { $0.pollInterval = .milliseconds(30) }) { test in
      try test.put(TestServer.digits, as: "b.rbn")
      try await test.waitUntil { try await Self.index(test) == ["a/1 READY", "b/1 READY"] }
      try FileManager.default.removeItem(atPath: test.models + "/a.rbn")
      try await test.waitUntil { try await Self.index(test) == ["b/1 READY"] }
      // A file that is no model leaves the one before in place.
      try test.put(TestServer.fixture("digits/labels.txt"), as: "b.rbn")
      try await test.waitUntil {
        let answer = try await test.client.send("POST", "/v2/repository/index")
        let model = (answer.json as? [[String: String]])?.first ?? [:]
        return model["state"] == "READY" && model["reason"] != ""
      }
      #expect(try await test.client.get("/v2/models/b/ready").status == 200)
    }
  }

  @Test func aModelIsSwappedWhileRequestsRun() async throws {
    // The same weights under two signatures: which model answered shows in the name of its input.
    try await TestServer.run(["digits.rbn": TestServer.digits], { $0.pollInterval = .milliseconds(20) }) {
      test in
      let repository = test.server.repository
      let image = try TestServer.digits(1)
      let expected = try await Model(contentsOf: TestServer.digits).run(image).floats
      weak var old: LoadedModel?
      old = try repository.model("digits", version: nil)
      let identity = ObjectIdentifier(try repository.model("digits", version: nil))
      let isDone = Flag()
      let answers = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<8 {
          group.addTask {
            var count = 0
            while !isDone.isSet {
              let answer = try await test.client.post(
                "/v2/models/digits/infer", json: ["inputs": [InferJSON.input(image)]])
              let output = (answer["outputs"] as? [[String: Any]])?.first
              let values = (output?["data"] as? [NSNumber])?.map(\.floatValue)
              #expect(answer.status == 200, "\(answer.text)")
              #expect(values == expected)
              count += 1
            }
            return count
          }
        }
        for _ in 0..<5 {
          try await Task.sleep(for: .milliseconds(100))
          let before = ObjectIdentifier(try repository.model("digits", version: nil))
          try test.put(TestServer.digits, as: "digits.rbn")
          try await test.waitUntil {
            ObjectIdentifier(try repository.model("digits", version: nil)) != before
          }
        }
        isDone.set()
        return try await group.reduce(0, +)
      }
      #expect(answers > 20)
      #expect(ObjectIdentifier(try repository.model("digits", version: nil)) != identity)
      try await test.waitUntil { old == nil }
    }
  }
}

/// Something that has happened or not.
private final class Flag: Sendable {
  private let value = Atomic<Bool>(false)

  var isSet: Bool { value.load(ordering: .relaxed) }
  func set() { value.store(true, ordering: .relaxed) }
}
#endif
