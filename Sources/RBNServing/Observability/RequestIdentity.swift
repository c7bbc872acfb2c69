#if Serving
import HTTPTypes
import Hummingbird
import Instrumentation
import Logging
import Tracing

/// By what a request is known: its own id, and its place in a trace.
struct RequestIdentity: Sendable {
  /// `X-Request-ID` as the client gave it, or a new one.
  let requestID: String
  let trace: TraceContext

  init(_ headers: HTTPFields) {
    let given = headers[.xRequestID] ?? ""
    let isPlain =
      (1...128).contains(given.count)
      && given.utf8.allSatisfy { byte in
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
          || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || "-_.:".utf8.contains(byte)
      }
    requestID = isPlain ? given : TraceContext.hex(words: 2)
    trace = headers[.traceParent].flatMap { TraceContext(parent: $0) } ?? TraceContext()
  }

  /// What every event of the request carries.
  var metadata: Logger.Metadata {
    ["request_id": "\(requestID)", "trace_id": "\(trace.traceID)", "span_id": "\(trace.spanID)"]
  }

  /// Runs `body` in a span of the tracer that the process was bootstrapped with, as a child of the client's span.
  func withSpan<Result>(
    _ route: Route?, _ request: Request, _ body: () async throws -> Result
  ) async throws -> Result {
    var context = ServiceContext.current ?? .topLevel
    InstrumentationSystem.instrument.extract(request.headers, into: &context, using: HeaderExtractor())
    let path = route?.template ?? "unknown"
    return try await Tracing.withSpan(
      "\(request.method) \(path)", context: context, ofKind: .server
    ) { span in
      span.attributes["http.request.method"] = request.method.rawValue
      span.attributes["http.route"] = path
      span.attributes["rbn.request_id"] = requestID
      return try await body()
    }
  }
}

private struct HeaderExtractor: Extractor {
  func extract(key: String, from headers: HTTPFields) -> String? {
    HTTPField.Name(key).flatMap { headers[$0] }
  }
}

/// A place in a trace, as W3C Trace Context writes it in `traceparent`: `00-<trace id>-<span id>-<flags>`.
struct TraceContext: Hashable, Sendable {
  /// 32 hexadecimal digits, the same in all of a trace.
  let traceID: String
  /// 16 hexadecimal digits: this server's part of the trace.
  let spanID: String
  /// Two hexadecimal digits, as the client gave them.
  let flags: String

  /// A new trace.
  init() {
    traceID = Self.hex(words: 2)
    spanID = Self.hex(words: 1)
    flags = "00"
  }

  /// A new span in the client's trace.
  ///
  /// - Returns: nil for a header that the standard says must be ignored.
  init?(parent header: String) {
    let parts = header.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
    let lengths = [2, 32, 16, 2]
    guard parts.count >= 4, parts[0] != "ff", parts[0] == "00" ? parts.count == 4 : true,
      zip(parts, lengths).allSatisfy({ part, length in
        part.utf8.count == length && part.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
      }),
      parts[1].contains(where: { $0 != "0" }), parts[2].contains(where: { $0 != "0" })
    else { return nil }
    traceID = parts[1]
    spanID = Self.hex(words: 1)
    flags = parts[3]
  }

  /// The `traceparent` of what this span asks of others.
  var header: String { "00-\(traceID)-\(spanID)-\(flags)" }

  /// Random words of 8 bytes, 16 hexadecimal digits each.
  static func hex(words: Int) -> String {
    (0..<words).map { _ in
      let digits = String(UInt64.random(in: 0 ... .max), radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }
}
#endif
