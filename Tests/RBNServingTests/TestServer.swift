#if Serving
import Dispatch
import Foundation
import Logging
import RBNRuntime
import ServiceLifecycle

@testable import RBNServing

/// A server in this process, on a folder of its own.
struct TestServer: Sendable {
  let server: InferenceServer
  let client: HTTPClient
  /// The folder of models.
  let models: String
  let group: ServiceGroup

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func fixture(_ name: String) -> String { root.appendingPathComponent("fixtures/\(name)").path }

  static let digits = fixture("digits/digits-rbn.rbn")

  /// Runs a server for `body`.
  ///
  /// - Parameters:
  ///   - files: the models, by the path in the folder, and the fixtures that they are copies of.
  ///   - isReady: whether to wait until the server is ready.
  static func run<Result: Sendable>(
    _ files: [String: String] = ["digits.rbn": digits], isReady: Bool = true,
    _ change: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (TestServer) async throws -> Result
  ) async throws -> Result {
    let models = FileManager.default.temporaryDirectory.appendingPathComponent(
      "rbn-serving-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: models, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: models) }
    for (name, fixture) in files { try put(fixture, models.appendingPathComponent(name)) }
    var configuration = ServerConfiguration(modelsPath: models.path)
    configuration.port = 0
    configuration.pollInterval = nil
    change(&configuration)
    let (ports, listening) = AsyncStream.makeStream(of: Int.self)
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let server = try InferenceServer(configuration: configuration, logger: logger) { port in
      listening.yield(port)
    }
    let group = ServiceGroup(services: [server], logger: logger)
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask {
        defer { listening.finish() }
        try await group.run()
      }
      var iterator = ports.makeAsyncIterator()
      guard let port = await iterator.next() else {
        try await tasks.waitForAll()
        throw POSIXError(.ECONNREFUSED)
      }
      let test = TestServer(
        server: server, client: HTTPClient(port: port), models: models.path, group: group)
      if isReady { try await test.waitUntil { try await test.client.get("/v2/health/ready").status == 200 } }
      let result = try await body(test)
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
      return result
    }
  }

  /// Puts a file in place as a whole, as a deployment would.
  static func put(_ source: String, _ target: URL) throws {
    let folder = target.deletingLastPathComponent()
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let new = folder.appendingPathComponent(".new-\(UUID().uuidString)")
    try FileManager.default.copyItem(at: URL(fileURLWithPath: source), to: new)
    guard rename(new.path, target.path) == 0 else { throw POSIXError(.EIO) }
  }

  func put(_ source: String, as name: String) throws {
    try Self.put(source, URL(fileURLWithPath: models).appendingPathComponent(name))
  }

  func waitUntil(_ condition: () async throws -> Bool) async throws {
    for _ in 0..<3000 {
      if try await condition() { return }
      try await Task.sleep(for: .milliseconds(10))
    }
    throw POSIXError(.ETIMEDOUT)
  }

  /// Runs `body` while nothing that the process computes can begin, until it ends or calls what it is given.
  static func whileProcessorsAreBusy<Result>(
    _ body: (_ release: () -> Void) async throws -> Result
  ) async throws -> Result {
    let gate = DispatchSemaphore(value: 0)
    let (started, starting) = AsyncStream.makeStream(of: Void.self)
    // More than there are processors: the others take the places that calls of other tests leave.
    let blockers = (0..<64).map { _ in
      Task(priority: .high) {
        try await CallQueue.shared.run { _ in
          starting.yield()
          gate.wait()
        }
      }
    }
    func release() { for _ in blockers { gate.signal() } }
    var iterator = started.makeAsyncIterator()
    _ = await iterator.next()
    try? await Task.sleep(for: .milliseconds(300))
    do {
      let result = try await body(release)
      release()
      for blocker in blockers { try await blocker.value }
      return result
    } catch {
      release()
      throw error
    }
  }

  /// The pixels of held-out digits, shape (count, 1, 8, 8).
  static func digits(_ count: Int) throws -> Tensor {
    let tensors = try TensorFile.read(contentsOf: fixture("digits/heldout.npz"))
    guard let all = tensors.first(where: { $0.name == "inputs" })?.tensor else { throw POSIXError(.ENOENT) }
    return try Tensor(shape: [count, 1, 8, 8], scalars: Array(all.floats[..<(count * 64)]))
  }
}

/// Requests for inference, as clients write them.
enum InferJSON {
  static func input(_ tensor: Tensor, name: String = "x", type: String = "FP32") -> [String: Any] {
    [
      "name": name, "datatype": type, "shape": tensor.shape.dimensions,
      "data": tensor.floats.map { Double($0) },
    ]
  }

  /// JSON and the bytes behind it.
  static func binary(
    _ tensor: Tensor, name: String = "x", type: String = "FP32", parameters: [String: Any] = [:],
    outputs: [[String: Any]]? = nil
  ) throws -> (headers: [String: String], body: [UInt8]) {
    let bytes = tensor.withUnsafeBytes { Array($0) }
    var object: [String: Any] = [
      "inputs": [
        [
          "name": name, "datatype": type, "shape": tensor.shape.dimensions,
          "parameters": ["binary_data_size": bytes.count],
        ]
      ]
    ]
    if !parameters.isEmpty { object["parameters"] = parameters }
    if let outputs { object["outputs"] = outputs }
    let json = Array(try JSONSerialization.data(withJSONObject: object))
    return (
      ["Inference-Header-Content-Length": "\(json.count)", "Content-Type": "application/octet-stream"],
      json + bytes
    )
  }
}
#endif
