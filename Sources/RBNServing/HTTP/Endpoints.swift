#if Serving
import HTTPTypes
import Hummingbird
import NIOCore
import RBNFormats
import RBNRuntime

/// What each route does.
final class Endpoints: Sendable {
  private let configuration: ServerConfiguration
  private let repository: ModelRepository
  private let metrics: PrometheusRegistry
  private let readiness: Readiness
  private let bodies: RequestBodyReader
  /// Reading and writing large bodies is work too, and has no place on a thread that others wait for.
  private let conversions: CallQueue

  /// JSON up to this size is read and written on the event loop; to take it elsewhere would take longer.
  private static let smallJSON = 16 << 10

  init(
    _ configuration: ServerConfiguration, repository: ModelRepository, metrics: PrometheusRegistry,
    readiness: Readiness
  ) {
    self.configuration = configuration
    self.repository = repository
    self.metrics = metrics
    self.readiness = readiness
    bodies = RequestBodyReader(configuration.limits)
    conversions = CallQueue(limit: 2)
  }

  func respond(
    to request: Request, _ route: Route, deadline: ContinuousClock.Instant
  ) async throws -> Response {
    switch route {
    case .page: return page(PackageResources.page_html, "text/html; charset=utf-8")
    case .pageStyle: return page(PackageResources.page_css, "text/css; charset=utf-8")
    case .pageScript: return page(PackageResources.page_js, "text/javascript; charset=utf-8")
    case .openAPI:
      return .content(ByteBuffer(bytes: PackageResources.openapi_json), type: "application/json")
    case .metrics:
      return .content(ByteBuffer(string: metrics.text()), type: "text/plain; version=0.0.4; charset=utf-8")
    case .server: return .json(Metadata.server)
    case .live: return .json(["live": true])
    case .ready: return ready()
    case .repositoryIndex: return try await index(request)
    case .load(let name):
      _ = try await bodies.withBody(of: request) { try Self.checkJSON($0, configuration) }
      try await repository.load(name)
      return .json([:])
    case .unload(let name):
      _ = try await bodies.withBody(of: request) { try Self.checkJSON($0, configuration) }
      try await repository.unload(name)
      return .json([:])
    case .model(let name, let version):
      let model = try repository.model(name, version: version)
      return .json(Metadata.model(model, versions: repository.versions(of: name)))
    case .modelReady(let name, let version):
      let model = try repository.model(name, version: version)
      return .json(["name": .string(model.key.name), "ready": true])
    case .infer(let name, let version): return try await infer(request, name, version, deadline)
    case .classify(let name, let version): return try await classify(request, name, version, deadline)
    }
  }

  private func page(_ bytes: [UInt8], _ type: String) -> Response {
    var response = Response.content(ByteBuffer(bytes: bytes), type: type)
    response.headers[.contentSecurityPolicy] =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
      + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    response.headers[.cacheControl] = "no-cache"
    return response
  }

  private func ready() -> Response {
    let reason = readiness.problem ?? (repository.isReady ? nil : "a model is not available")
    guard let reason else { return .json(["ready": true]) }
    return .json(["ready": false, "error": .string(reason)], status: .serviceUnavailable)
  }

  private func index(_ request: Request) async throws -> Response {
    let onlyReady = try await bodies.withBody(of: request) { bytes in
      try Self.checkJSON(bytes, configuration)?.optionalMember("ready")?.bool() ?? false
    }
    return .json(Metadata.index(repository.index().filter { !onlyReady || $0.state == .ready }))
  }

  /// A body that may be empty, or must be a JSON object.
  private static func checkJSON(_ bytes: [UInt8], _ configuration: ServerConfiguration) throws -> JSONNode? {
    if bytes.isEmpty { return nil }
    guard bytes.count <= configuration.limits.jsonBytes else {
      throw ServingError.tooLarge(
        "the JSON has more than the \(configuration.limits.jsonBytes) bytes allowed")
    }
    let node = JSONNode(
      try JSONValue.parse(bytes, document: "request", depth: configuration.limits.jsonDepth),
      document: "request")
    _ = try node.members()
    return node
  }

  // MARK: Inference

  private func infer(
    _ request: Request, _ name: String, _ version: String?, _ deadline: ContinuousClock.Instant
  ) async throws -> Response {
    let jsonByteCount = try Self.jsonByteCount(request.headers)
    let loaded = try repository.model(name, version: version)
    let limits = configuration.limits
    return try await bodies.withBody(of: request) { bytes in
      // Early, before the body is converted.
      try loaded.predictor.checkQueue()
      let asked = try await convert(jsonByteCount ?? bytes.count, by: deadline) {
        try InferRequest(bytes, jsonByteCount: jsonByteCount, limits: limits)
      }
      let inputs = try Self.inputs(asked, loaded, limits)
      let outputs = try asked.outputs(of: loaded.model)
      let deadline = min(deadline, asked.timeout.map { ContinuousClock.now + $0 } ?? deadline)
      let results = try await loaded.predictor.predict(inputs, deadline: deadline)
      let textByteCount = outputs.reduce(0) { $0 + ($1.output.isBinary ? 0 : results[$1.index].byteCount) }
      let answer = try await convert(textByteCount, by: deadline) {
        try InferResponse(id: asked.id, outputs, loaded, results)
      }
      return Self.response(answer)
    }
  }

  private static func jsonByteCount(_ headers: HTTPFields) throws -> Int? {
    guard let text = headers[.inferenceHeaderContentLength] else { return nil }
    guard let count = Int(text), count > 0 else {
      throw ServingError.badRequest("Inference-Header-Content-Length is not a positive number: \(text)")
    }
    return count
  }

  private static func inputs(
    _ request: InferRequest, _ loaded: LoadedModel, _ limits: ServerConfiguration.Limits
  ) throws -> [Tensor] {
    let inputs = try loaded.model.ordered(request.inputs)
    for (input, tensor) in zip(loaded.model.inputs, inputs) where input.shape.first == .some(nil) {
      guard tensor.shape.first ?? 0 <= limits.rows else {
        throw ServingError.tooLarge(
          "the input \(input.name.debugDescription) has \(tensor.shape.first ?? 0) rows, \(limits.rows) are allowed"
        )
      }
    }
    return inputs
  }

  private static func response(_ answer: InferResponse) -> Response {
    guard let jsonByteCount = answer.jsonByteCount else {
      return .content(answer.body, type: "application/json")
    }
    var response = Response.content(answer.body, type: "application/octet-stream")
    response.headers[.inferenceHeaderContentLength] = "\(jsonByteCount)"
    return response
  }

  private func classify(
    _ request: Request, _ name: String, _ version: String?, _ deadline: ContinuousClock.Instant
  ) async throws -> Response {
    let topK = try Self.topK(request)
    let loaded = try repository.model(name, version: version)
    guard let classifier = loaded.classifier else {
      throw ServingError.badRequest(
        "the model \(name.debugDescription) can't classify images: \(loaded.classifierProblem ?? "")")
    }
    return try await bodies.withBody(of: request) { bytes in
      guard !bytes.isEmpty else {
        throw ServingError.badRequest("the body is empty: it must be a JPEG or PNG file")
      }
      try loaded.predictor.checkQueue()
      let input = try await Self.within(deadline) { try await classifier.input(forEncodedImage: bytes) }
      let scores = try await loaded.predictor.predict(input, deadline: deadline)
      let classes = try classifier.classifications(of: scores, topK: topK).first ?? []
      return .json(Metadata.classifications(classes, loaded))
    }
  }

  private static func topK(_ request: Request) throws -> Int {
    guard let text = request.uri.queryParameters["top_k"] else { return 5 }
    guard let count = Int(text), (1...1_000_000).contains(count) else {
      throw ServingError.badRequest("top_k is not a number from 1 to 1000000: \(text)")
    }
    return count
  }

  private func convert<Result: Sendable>(
    _ jsonByteCount: Int, by deadline: ContinuousClock.Instant,
    _ body: @escaping @Sendable () throws -> Result
  ) async throws -> Result {
    if jsonByteCount <= Self.smallJSON { return try body() }
    return try await Self.within(deadline) { [conversions] in try await conversions.run { _ in try body() } }
  }

  /// - Throws: `prediction.deadline-exceeded` when `body` still waits at the deadline; what `body` throws.
  private static func within<Result: Sendable>(
    _ deadline: ContinuousClock.Instant, _ body: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        try? await Task.sleep(until: deadline, clock: .continuous)
        return nil
      }
      defer { group.cancelAll() }
      guard let result = try await group.next() ?? nil else { throw RBNError.deadlineExceeded() }
      return result
    }
  }
}
#endif
