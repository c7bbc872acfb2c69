import Foundation
import RBNRuntime

/// Results.
enum StandardOutput {
  /// - Throws: `file.unwritable`, so that a full disk is not a success.
  static func write(_ text: String) throws {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    } catch {
      throw RBNError(
        .unwritableOutput, .system, "standard output can't be written to: \(error.localizedDescription)")
    }
  }

  /// Writes a value as JSON, with sorted keys.
  static func write(json value: some Encodable, isPretty: Bool = true) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting =
      isPretty
      ? [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes] : [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    try write(String(decoding: try encoder.encode(value), as: UTF8.self) + "\n")
  }

  static let isTerminal = isatty(STDOUT_FILENO) != 0
}

/// Everything but results.
enum StandardError {
  static let isTerminal = isatty(STDERR_FILENO) != 0

  /// What can't be said can't be reported either.
  static func write(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }

  /// `rbn: error: file: place: message (advice) [code]`.
  static func report(_ error: RBNError) { write("rbn: error: \(error) [\(error.code)]\n") }
}

extension RBNError.Code {
  /// Standard output is closed or full.
  static let unwritableOutput = Self("output.unwritable")
}
