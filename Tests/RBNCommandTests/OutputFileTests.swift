import Foundation
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Output files appear by rename: complete, or not at all.
@Suite struct OutputFileTests {
  private static let digits = Command.fixture("digits/digits-rbn.pt2")
  private static let golden = Command.fixture("digits/digits-rbn.npz")

  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("rbn-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.path)
  }

  private static let commands: [(name: String, arguments: [String])] = [
    ("out.rbn", ["convert", digits, "--output"]),
    ("out.npz", ["run", digits, "--input", golden, "--output"]),
    ("out.npy", ["run", digits, "--input", golden, "--output"]),
  ]

  @Test(arguments: commands)
  func anOldFileIsReplacedAtOnce(name: String, arguments: [String]) throws {
    try withFolder { folder in
      let output = folder + "/" + name
      try Data("old".utf8).write(to: URL(fileURLWithPath: output))
      // Who has the old file open keeps it whole: it was not written over.
      let old = try #require(FileHandle(forReadingAtPath: output))
      let result = try Command.run(arguments + [output])
      #expect(result.status == 0, "\(result.errors)")
      #expect(try old.readToEnd() == Data("old".utf8))
      #expect(try Data(contentsOf: URL(fileURLWithPath: output)).count > 100)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [name])
    }
  }

  @Test func anOldFileStaysWhenTheCommandFails() throws {
    let failing = [
      ["convert", Command.fixture("malformed/pt2-truncated.pt2"), "--output"],
      ["convert", Self.digits, "--golden", Command.fixture("digits/heldout.npz"), "--output"],
      ["run", Self.digits, "--input", Command.fixture("formats/refused-object.npy"), "--output"],
    ]
    try withFolder { folder in
      let output = folder + "/out.npz"
      try Data("old".utf8).write(to: URL(fileURLWithPath: output))
      for arguments in failing {
        #expect([3, 4].contains(try Command.run(arguments + [output]).status))
        #expect(try Data(contentsOf: URL(fileURLWithPath: output)) == Data("old".utf8))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["out.npz"])
      }
    }
  }

  @Test(arguments: commands)
  func aPlaceThatCannotBeWrittenIsNamed(name: String, arguments: [String]) throws {
    for folder in ["/nowhere", Command.fixture("digits/labels.txt")] {
      let result = try Command.run(arguments + ["\(folder)/\(name)"])
      #expect(result.status == 4)
      #expect(result.errors.contains("\(folder)/\(name): "), "\(result.errors)")
    }
  }

  /// A rename would put a file in the place of a device.
  @Test(arguments: commands)
  func whatIsNoFileIsRefusedAndStays(name: String, arguments: [String]) throws {
    try withFolder { folder in
      let pipe = folder + "/" + name
      try #require(mkfifo(pipe, 0o600) == 0)
      let result = try Command.run(arguments + [pipe])
      #expect(result.status == 4)
      #expect(result.errors.contains("\(pipe): can't be written: it is a pipe"), "\(result.errors)")
      let type = try FileManager.default.attributesOfItem(atPath: pipe)[.type] as? FileAttributeType
      #expect(type != .typeRegular)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [name])
    }
  }

  @Test(arguments: commands)
  func aLinkStaysAndItsFileIsReplaced(name: String, arguments: [String]) throws {
    try withFolder { folder in
      let (file, link) = (folder + "/file", folder + "/" + name)
      try Data("old".utf8).write(to: URL(fileURLWithPath: file))
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "file")
      #expect(try Command.run(arguments + [link]).status == 0)
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "file")
      #expect(try Data(contentsOf: URL(fileURLWithPath: file)).count > 100)
    }
  }
}
