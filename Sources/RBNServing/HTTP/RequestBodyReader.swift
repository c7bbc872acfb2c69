#if Serving
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// Reads the bodies of requests, as much of them and as long as is allowed.
final class RequestBodyReader: Sendable {
  private let limits: ServerConfiguration.Limits
  /// The bytes that the bodies of all requests hold now.
  private let inFlight = Atomic<Int>(0)

  init(_ limits: ServerConfiguration.Limits) { self.limits = limits }

  /// Reads the body and hands it to `body`; its bytes count as in flight until that returns.
  ///
  /// - Throws: 413 for a body over the limit, 408 for one that comes too slowly, 503 when all bodies together are over
  ///   their limit; and what `body` throws.
  func withBody<Result: Sendable>(
    of request: Request, _ body: ([UInt8]) async throws -> Result
  ) async throws -> Result {
    let length = request.headers[.contentLength].flatMap { Int($0) } ?? 0
    try check(length)
    let share = Share(self)
    defer { share.end() }
    do {
      let bytes = try await collect(request.body, length, share)
      return try await body(bytes)
    } catch is SlowBody {
      var error = ServingError(.requestTimeout, "the request's body came too slowly")
      error.closesConnection = true
      throw error
    }
  }

  private func collect(_ body: RequestBody, _ length: Int, _ share: Share) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    // What a client says will come costs no memory before it comes, beyond this.
    bytes.reserveCapacity(min(max(length, 0), 1 << 20))
    for try await part in body {
      try check(bytes.count + part.readableBytes)
      guard share.add(part.readableBytes) else {
        var error = ServingError.unavailable("the server holds as many bytes of requests as it may")
        error.closesConnection = true
        throw error
      }
      bytes.append(contentsOf: part.readableBytesView)
    }
    return bytes
  }

  private func check(_ count: Int) throws {
    guard count <= limits.bodyBytes else {
      throw ServingError.tooLarge("the body is longer than the \(limits.bodyBytes) bytes that are allowed")
    }
  }

  /// What one request holds of the bytes in flight.
  private final class Share: Sendable {
    private let reader: RequestBodyReader
    private let count = Atomic<Int>(0)

    init(_ reader: RequestBodyReader) { self.reader = reader }

    func add(_ bytes: Int) -> Bool {
      count.add(bytes, ordering: .relaxed)
      return reader.inFlight.add(bytes, ordering: .relaxed).newValue <= reader.limits.bodyBytesInFlight
    }

    func end() { reader.inFlight.subtract(count.load(ordering: .relaxed), ordering: .relaxed) }
  }
}
#endif
