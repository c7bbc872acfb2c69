import ArgumentParser
import Foundation
import RBNRuntime

/// What the exit status says; documented in the help of `rbn`.
enum ExitStatus: Int32, Error {
  case comparisonFailed = 1
  case usage = 2
  case model = 3
  case input = 4

  init(_ subject: RBNError.Subject) {
    self =
      switch subject {
      case .usage: .usage
      case .model: .model
      case .input, .system: .input
      }
  }

  /// Says what went wrong, on standard error, and ends the process.
  static func end(after error: any Error) -> Never {
    switch error {
    case let status as ExitStatus: exit(status.rawValue)
    case let error as RBNError:
      StandardError.report(error)
      exit(ExitStatus(error.subject).rawValue)
    case is CancellationError:
      StandardError.write("rbn: cancelled\n")
      exit(ExitStatus.input.rawValue)
    default:
      // Help, version and completion scripts come as errors too.
      let message = RBNCommand.fullMessage(for: error)
      guard RBNCommand.exitCode(for: error) != .success else {
        do {
          try StandardOutput.write(message + "\n")
          exit(0)
        } catch {
          exit(ExitStatus.input.rawValue)
        }
      }
      StandardError.write(message + "\n")
      exit(ExitStatus.usage.rawValue)
    }
  }
}
