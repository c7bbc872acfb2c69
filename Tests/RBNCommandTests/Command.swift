import Foundation

/// Runs the `rbn` executable that was built with the tests.
struct Command {
  struct Result {
    /// The exit status; the negative of a signal's number where one ended the process.
    var status: Int32
    var output: String
    var errors: String
    /// The most memory that the process held; `nil` where it was not measured.
    var peakByteCount: Int?
  }

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func fixture(_ name: String) -> String { root.appendingPathComponent("fixtures/\(name)").path }

  /// Beside the test bundle.
  static let executable: URL = {
    let tests = URL(fileURLWithPath: CommandLine.arguments.first ?? "").resolvingSymlinksInPath()
    let candidates = [
      tests.deletingLastPathComponent(), Bundle.main.bundleURL, root.appendingPathComponent(".build/release"),
    ]
    let found = candidates.map { $0.appendingPathComponent("rbn") }
      .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    return found ?? root.appendingPathComponent(".build/release/rbn")
  }()

  /// Whether tests and command were built with AddressSanitizer or ThreadSanitizer, whose memory and files add to theirs.
  static let isSanitized = ["__asan_init", "__tsan_init"].contains { (name: String) in
    dlsym(nil, name) != nil
  }

  /// Runs the command to its end, in the root of the package.
  static func run(_ arguments: [String], input: String? = nil) throws -> Result {
    try run(executable.path, arguments, input: input)
  }

  /// Runs the command and measures its memory.
  ///
  /// What `wait4` says of a child includes the process that it was before it became the command, which is a copy of this one
  /// with all its tests. So a shell starts the command as a child of its own, and then becomes a program that asks for the
  /// peak of its children: Perl, which every Debian has.
  static func runMeasured(_ arguments: [String]) throws -> Result {
    #if arch(arm64)
      let getrusage = "165"
    #else
      let getrusage = "98"
    #endif
    let peak = FileManager.default.temporaryDirectory.appendingPathComponent("rbn-peak-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: peak) }
    // struct rusage: two times of two words each, then ru_maxrss in KiB.
    let report = """
      my $usage = "\\0" x 144; syscall($ARGV[0], -1, $usage) == 0 or die; open(my $file, ">", $ARGV[1]) or die; \
      print $file unpack("x32 q", $usage); close $file; exit $ARGV[2]
      """
    let script = #"peak=$0; "$@"; status=$?; exec perl -e "$REPORT" "$NUMBER" "$peak" "$status""#
    let shell = ["REPORT=\(report)", "NUMBER=\(getrusage)", "/bin/sh", "-c", script, peak.path]
    var result = try run("/usr/bin/env", shell + [executable.path] + arguments)
    guard let kibibytes = Int(try String(contentsOf: peak, encoding: .utf8)) else {
      throw CocoaError(.fileReadCorruptFile)
    }
    result.peakByteCount = kibibytes * 1024
    return result
  }

  /// Runs a line of the shell, in which `$RBN` is the command.
  static func shell(_ line: String) throws -> Result {
    try run("/bin/bash", ["-c", "RBN='\(executable.path)'; \(line)"])
  }

  static func run(_ path: String, _ arguments: [String], input: String? = nil) throws -> Result {
    // Files rather than pipes: nothing can fill up.
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("rbn-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let files = ["in", "out", "err"].map { folder.appendingPathComponent($0) }
    try Data((input ?? "").utf8).write(to: files[0])

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (descriptor, file) in files.enumerated() {
      let flags = descriptor == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC
      posix_spawn_file_actions_addopen(&actions, Int32(descriptor), file.path, flags, 0o600)
    }
    var process = pid_t()
    // The shell changes the directory and becomes the command.
    let shell = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", root.path, path]
    let words = (shell + arguments).map { strdup($0) } + [nil]
    defer { words.forEach { free($0) } }
    guard posix_spawn(&process, shell[0], &actions, nil, words, environ) == 0 else {
      throw CocoaError(.executableNotLoadable)
    }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 {
      guard errno == EINTR else { throw CocoaError(.featureUnsupported) }
    }
    let signal = status & 0x7F
    return Result(
      status: signal == 0 ? (status >> 8) & 0xFF : -signal,
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
