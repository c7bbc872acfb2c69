import Foundation

/// Runs the `rbn` executable that was built with the tests.
struct Command {
  struct Result {
    var status: Int32
    var output: String
    var errors: String
  }

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func fixture(_ name: String) -> String { root.appendingPathComponent("fixtures/\(name)").path }

  /// Beside the test bundle.
  private static let executable: URL = {
    let tests = URL(fileURLWithPath: CommandLine.arguments.first ?? "").resolvingSymlinksInPath()
    let candidates = [
      tests.deletingLastPathComponent(), Bundle.main.bundleURL, root.appendingPathComponent(".build/release"),
    ]
    let found = candidates.map { $0.appendingPathComponent("rbn") }
      .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    return found ?? root.appendingPathComponent(".build/release/rbn")
  }()

  /// Runs the command to its end. A signal gives the negative of its number as status.
  static func run(_ arguments: [String], input: String? = nil) throws -> Result {
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.currentDirectoryURL = root
    // Files rather than pipes: nothing can fill up.
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("rbn-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let files = try ["in", "out", "err"].map { name in
      let url = folder.appendingPathComponent(name)
      try Data((name == "in" ? input ?? "" : "").utf8).write(to: url)
      return url
    }
    process.standardInput = try FileHandle(forReadingFrom: files[0])
    process.standardOutput = try FileHandle(forWritingTo: files[1])
    process.standardError = try FileHandle(forWritingTo: files[2])
    try process.run()
    process.waitUntilExit()
    let isSignal = process.terminationReason == .uncaughtSignal
    return Result(
      status: isSignal ? -process.terminationStatus : process.terminationStatus,
      output: String(decoding: try Data(contentsOf: files[1]), as: UTF8.self),
      errors: String(decoding: try Data(contentsOf: files[2]), as: UTF8.self))
  }

  /// Runs the command with `file` as standard error and without an output, and gives its status.
  static func run(_ arguments: [String], errorsTo file: FileHandle) throws -> Int32 {
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.currentDirectoryURL = root
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = file
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
  }
}
