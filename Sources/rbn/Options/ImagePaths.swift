import Foundation
import RBNRuntime

/// What the command line names: files, directories, patterns, and `-` for a list on standard input.
enum ImagePaths {
  /// One image to be, or why there is none.
  typealias Entry = Result<String, RBNError>

  /// The images, in the order of the arguments; those of a directory by name, with its subdirectories.
  static func expand(_ arguments: [String]) -> [Entry] {
    arguments.flatMap { argument -> [Entry] in
      if argument == "-" {
        return lines().flatMap { expand($0) }
      }
      return expand(argument)
    }
  }

  private static func expand(_ path: String) -> [Entry] {
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) {
      return isDirectory.boolValue ? images(in: path) : [.success(path)]
    }
    guard path.contains(where: { "*?[".contains($0) }) else { return [.success(path)] }
    let found = matches(path)
    return found.isEmpty
      ? [.failure(RBNError(.noImages, .input, file: path, "no file matches this pattern"))]
      : found.flatMap { expand($0) }
  }

  private static func lines() -> [String] {
    var lines: [String] = []
    while let line = readLine() { if !line.isEmpty { lines.append(line) } }
    return lines
  }

  private static func images(in directory: String) -> [Entry] {
    let endings = [".jpg", ".jpeg", ".png"]
    guard let names = FileManager.default.enumerator(atPath: directory) else {
      return [.failure(RBNError(.noImages, .input, file: directory, "the directory can't be read"))]
    }
    let found = names.compactMap { $0 as? String }.filter { name in
      let lower = name.lowercased()
      return endings.contains { lower.hasSuffix($0) }
        && !name.split(separator: "/").contains { $0.hasPrefix(".") }
    }.sorted()
    guard !found.isEmpty else {
      return [
        .failure(
          RBNError(
            .noImages, .input, file: directory, "the directory holds no images",
            advice: "images end in \(endings.joined(separator: ", "))"))
      ]
    }
    let prefix = directory.hasSuffix("/") ? directory : directory + "/"
    return found.map { .success(prefix + $0) }
  }

  private static func matches(_ pattern: String) -> [String] {
    var result = glob_t()
    defer { globfree(&result) }
    guard glob(pattern, 0, nil, &result) == 0 else { return [] }
    return (0..<Int(result.gl_pathc)).compactMap { index in result.gl_pathv[index].map { String(cString: $0) }
    }
  }
}

extension RBNError.Code {
  /// A directory or pattern without images.
  static let noImages = Self("input.no-images")
}
