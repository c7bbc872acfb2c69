import Foundation
import Testing

/// What the machine does to a command: full disks, missing permission, pipes in the place of files, files that change.
@Suite struct FaultTests {
  private static let digits = CommandTests.digits
  private static let image = CommandTests.images + "/0011-is-1.png"

  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("rbn-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.path)
  }

  private func contents(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  // MARK: Writing

  /// A limit on the size of files, which is a full disk in miniature: the write fails in the middle.
  @Test(.enabled(if: !Command.isSanitized, "sanitizers write files of their own"))
  func aFullDiskLeavesNothingBehind() throws {
    try withFolder { folder in
      let limited = "trap '' XFSZ; ulimit -f 100; "
      let bundle = try Command.shell(limited + "$RBN convert '\(Self.digits)' -o '\(folder)/x.rbn'")
      #expect(bundle.status == 4, "\(bundle.errors)")
      #expect(bundle.errors.contains("\(folder)/x.rbn: can't be written: File too large"))
      let batch = Command.fixture("digits/heldout.npz")
      let tensors = try Command.shell(
        "trap '' XFSZ; ulimit -f 1; $RBN run '\(Self.digits)' --input '\(batch)' --output '\(folder)/x.npz'")
      #expect(tensors.status == 4 || tensors.status == 2, "\(tensors.errors)")
      #expect(try contents(folder) == [])
    }
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full"), "needs /dev/full"))
  func aFullStandardOutputIsNoSuccess() throws {
    let result = try Command.shell("$RBN predict '\(Self.digits)' '\(Self.image)' > /dev/full")
    #expect(result.status == 4)
    #expect(result.errors.contains("standard output can't be written to"))
  }

  // MARK: Reading

  @Test func aPipeIsNoModelAndNoImage() throws {
    try withFolder { folder in
      let pipe = "\(folder)/pipe"
      #expect(mkfifo(pipe, 0o600) == 0)
      for arguments in [["inspect", pipe], ["scan", pipe], ["predict", pipe, Self.image]] {
        let result = try Command.run(arguments)
        #expect(result.status == 3)
        #expect(result.errors.hasPrefix("rbn: error: \(pipe): is not a regular file"), "\(result.errors)")
      }
      #expect(try Command.run(["predict", Self.digits, pipe]).status == 4)
      #expect(try Command.run(["run", Self.digits, "--input", pipe]).status == 4)
      let substituted = try Command.shell("$RBN inspect <(cat '\(Self.digits)')")
      #expect(substituted.status == 3 && substituted.errors.contains("is not a regular file"))
    }
  }

  @Test func permissionDenied() throws {
    try withFolder { folder in
      let copy = "\(folder)/x.rbn"
      try FileManager.default.copyItem(atPath: Self.digits, toPath: copy)
      #expect(chmod(copy, 0) == 0)
      // The superuser may read everything, so the command runs as somebody else there.
      let isRoot = geteuid() == 0
      #expect(chmod(folder, 0o755) == 0)
      let prefix = isRoot ? "setpriv --reuid=65534 --clear-groups " : ""
      guard try Command.shell("\(prefix)$RBN --version").status == 0 else { return }
      let reading = try Command.shell("\(prefix)$RBN inspect '\(copy)'")
      #expect(reading.status == 3)
      #expect(reading.errors.contains("\(copy): can't be opened: Permission denied"))
      #expect(chmod(copy, 0o644) == 0 && chmod(folder, 0o555) == 0)
      let writing = try Command.shell("\(prefix)$RBN convert '\(copy)' -o '\(folder)/y.rbn'")
      #expect(chmod(folder, 0o755) == 0)
      #expect(writing.status == 4)
      #expect(writing.errors.contains("\(folder)/y.rbn: can't be written: Permission denied"))
    }
  }

  /// The file becomes shorter, is overwritten and restored again and again while it is read: answers or errors, no signal.
  @Test func aModelThatChangesWhileItIsRead() throws {
    try withFolder { folder in
      let copy = "\(folder)/x.rbn"
      try FileManager.default.copyItem(atPath: Self.digits, toPath: copy)
      let result = try Command.shell(
        """
        (for i in $(seq 400); do truncate -s $((i * 1499 % 600000)) '\(copy)'; cp '\(Self.digits)' '\(copy)'; done) &
        changer=$!
        for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
          $RBN predict '\(copy)' '\(Self.image)' > /dev/null 2>&1
          status=$?
          [ $status = 0 ] || [ $status = 3 ] || echo "status $status"
        done
        kill $changer 2>/dev/null; wait $changer 2>/dev/null; true
        """)
      #expect(result.output == "")
    }
  }

  // MARK: Limits

  @Test func theMemoryLimitHolds() throws {
    let small = try Command.run(["predict", Self.digits, Self.image, "--memory-limit", "1kB"])
    #expect(small.status == 4, "\(small.errors)")
    #expect(small.errors.contains("more than the limit of 1000 bytes"))
    #expect(try Command.run(["predict", Self.digits, Self.image, "--memory-limit", "64MiB"]).status == 0)
    for limit in ["0", "-1", "many", "1.5GB", "99999999999TB"] {
      #expect(
        try Command.run(["predict", Self.digits, Self.image, "--memory-limit=\(limit)"]).status == 2,
        "\(limit)")
    }
    let golden = Command.fixture("digits/digits-rbn.npz")
    #expect(try Command.run(["verify", Self.digits, golden, "--memory-limit", "1kB"]).status == 4)
  }

  @Test func truncatedImagesOnRequest() throws {
    let cut = Command.fixture("images/truncated/grey-cut-at-80.png")
    #expect(try Command.run(["predict", Self.digits, cut]).status == 4)
    let allowed = try Command.run(["predict", Self.digits, cut, "--allow-truncated", "--format", "csv"])
    #expect(allowed.status == 0, "\(allowed.errors)")
  }
}
