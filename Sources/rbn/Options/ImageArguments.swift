import ArgumentParser
import Foundation
import RBNRuntime

/// How images become inputs and classes get their names; shared by predict and convert.
struct ImageArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "torchvision, a JSON object, or a file with one; default: what the model says.",
      valueName: "preset|json|file"))
  var preprocessing: String?

  @Option(help: ArgumentHelp("Class names, one a line; default: what the model says.", valueName: "file"))
  var labels: String?

  /// - Throws: `file.unreadable`, `json.…`, `preprocessing.invalid`.
  func readPreprocessing() throws -> ImagePreprocessing? {
    guard let preprocessing else { return nil }
    if preprocessing == "torchvision" { return .torchvision }
    let isInline = preprocessing.drop(while: \.isWhitespace).hasPrefix("{")
    do {
      return try ImagePreprocessing(json: isInline ? preprocessing : try Self.text(preprocessing))
    } catch let error as RBNError {
      throw isInline ? error : error.inFile(preprocessing)
    }
  }

  /// - Throws: `file.unreadable`.
  func readLabels() throws -> [String]? {
    guard let labels else { return nil }
    var lines = try Self.text(labels).split(separator: "\n", omittingEmptySubsequences: false).map(
      String.init)
    if lines.last == "" { lines.removeLast() }
    return lines
  }

  /// More than any list of labels has, in bytes.
  private static let longestText = 64 << 20

  private static func text(_ path: String) throws -> String {
    func failure(_ message: String) -> RBNError { RBNError(.unreadableText, .usage, file: path, message) }
    let data: Data
    do {
      let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
      data = try file.read(upToCount: longestText + 1) ?? Data()
    } catch {
      throw failure("can't be read: \(error.localizedDescription)")
    }
    guard data.count <= longestText else { throw failure("is longer than \(Format.bytes(longestText))") }
    guard let text = String(data: data, encoding: .utf8) else { throw failure("is not UTF-8 text") }
    return text.replacing("\r\n", with: "\n")
  }
}

extension RBNError.Code {
  /// A label or preprocessing file that can't be read.
  static let unreadableText = Self("usage.unreadable-file")
}
