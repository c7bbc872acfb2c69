#if Serving
import HTTPTypes
import RBNRuntime

/// An error as a client sees it: a status and `{"error": message}`.
struct ServingError: Error {
  var status: HTTPResponse.Status
  var message: String
  var headers = HTTPFields()
  /// Whether the rest of the request is not worth reading.
  var closesConnection = false

  init(_ status: HTTPResponse.Status, _ message: String) {
    self.status = status
    self.message = message
  }

  static func badRequest(_ message: String) -> ServingError { ServingError(.badRequest, message) }

  static func tooLarge(_ message: String) -> ServingError {
    var error = ServingError(.contentTooLarge, message)
    error.closesConnection = true
    return error
  }

  /// An error that goes away by itself.
  static func unavailable(_ message: String) -> ServingError {
    var error = ServingError(.serviceUnavailable, message)
    error.headers[.retryAfter] = "1"
    return error
  }

  /// What a client is told of any error. The names of files on the server are not its business.
  init(_ error: any Error) {
    switch error {
    case let error as ServingError: self = error
    case var error as RBNError:
      error.file = nil
      let message = error.description
      switch error.code {
      case .queueFull, .deadlineExceeded, .predictorClosed, .outOfMemory: self = .unavailable(message)
      case .memoryLimit: self = .tooLarge(message)
      case .notFinite: self = ServingError(.unprocessableContent, message)
      default:
        let isTheirs =
          error.subject == .input || error.subject == .usage || error.code.rawValue.hasPrefix("json.")
        self = ServingError(isTheirs ? .badRequest : .internalServerError, message)
      }
    case is CancellationError: self = .unavailable("the request was cancelled")
    default: self = ServingError(.internalServerError, "an internal error")
    }
  }
}
#endif
