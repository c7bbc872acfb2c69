#if Serving
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1
import RBNRuntime
import Tracing

/// Answers requests: one place in which each is checked, timed, logged, counted and, whatever happens, answered.
struct ServerResponder: HTTPResponder {
  /// What a request comes with.
  struct Context: InitializableFromSource {
    let channel: any Channel
    init(source: ApplicationRequestContextSource) { channel = source.channel }
  }

  let endpoints: Endpoints
  let configuration: ServerConfiguration
  let logger: Logger
  let metrics: HTTPMetrics

  func respond(to request: Request, context: Context) async throws -> Response {
    let start = ContinuousClock.now
    let route = Route(path: request.uri.path)
    let identity = RequestIdentity(request.headers)
    metrics.began()
    var response: Response
    var failure: ServingError?
    do {
      response = try await identity.withSpan(route, request) {
        try await answer(request, route, deadline: start + configuration.limits.resultTime)
      }
    } catch let error as HTTPParserError {
      // Hummingbird answers it and closes the connection.
      metrics.ended(route, request.method, 400, ContinuousClock.now - start)
      throw error
    } catch {
      let seen = ServingError(error)
      if seen.status == .internalServerError {
        logger.error("A request failed", metadata: identity.metadata.merging(["error": "\(error)"]) { $1 })
      }
      failure = seen
      response = .json(["error": .string(seen.message)], status: seen.status)
      for field in seen.headers { response.headers.append(field) }
      if seen.closesConnection {
        response.headers[.connection] = "close"
        Self.close(context.channel)
      }
    }
    response.headers[.xRequestID] = identity.requestID
    response.headers[.traceResponse] = identity.trace.header
    let duration = ContinuousClock.now - start
    metrics.ended(route, request.method, response.status.code, duration)
    let status = response.status.code
    // The line is written when the answer has been.
    context.channel.eventLoop.execute { [failure] in
      log(request, route, status, duration, failure, identity)
    }
    return request.method == .head ? response.createHeadResponse() : response
  }

  private func answer(
    _ request: Request, _ route: Route?, deadline: ContinuousClock.Instant
  ) async throws -> Response {
    guard let route else { throw ServingError(.notFound, "there is nothing at \(request.uri.path)") }
    guard request.method == route.method || (request.method == .head && route.method == .get) else {
      var error = ServingError(
        .methodNotAllowed, "\(route.template) is asked with \(route.method), not \(request.method)")
      error.headers[.allow] = route.method == .get ? "GET, HEAD" : "POST"
      throw error
    }
    if !route.isOpen, let token = configuration.bearerToken {
      try BearerToken.check(request.headers, token)
    }
    if let encoding = request.headers[.contentEncoding], encoding.lowercased() != "identity" {
      throw ServingError(
        .unsupportedMediaType,
        "the body's encoding \(encoding.debugDescription) is not supported: send it plain")
    }
    return try await endpoints.respond(to: request, route, deadline: deadline)
  }

  private func log(
    _ request: Request, _ route: Route?, _ status: Int, _ duration: Duration, _ failure: ServingError?,
    _ identity: RequestIdentity
  ) {
    let level: Logger.Level =
      switch route {
      case .live, .ready, .metrics: status < 400 ? .debug : .info
      default: status < 500 ? .info : .warning
      }
    var metadata = identity.metadata
    metadata["method"] = "\(request.method)"
    metadata["path"] = "\(request.uri.path)"
    metadata["status"] = "\(status)"
    metadata["milliseconds"] = "\(Double(duration.nanoseconds / 1000) / 1000)"
    if let failure { metadata["error"] = "\(failure.message)" }
    logger.log(level: level, "Request", metadata: metadata)
  }

  /// Closes a connection a moment after the answer, of which the client may not have sent all it wants to send.
  private static func close(_ channel: any Channel) {
    channel.eventLoop.scheduleTask(in: .seconds(2)) { channel.close(promise: nil) }
  }
}

extension HTTPField.Name {
  static let xRequestID = Self("x-request-id") ?? .from
  static let traceParent = Self("traceparent") ?? .from
  static let traceResponse = Self("traceresponse") ?? .from
  static let inferenceHeaderContentLength = Self("inference-header-content-length") ?? .from
}
#endif
