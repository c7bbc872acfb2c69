import Foundation
import RBNTensor
import Synchronization
import Testing

@testable import RBNFormats

/// A folder that goes away with the test that made it.
final class ScratchFolder {
  let path = NSTemporaryDirectory() + "rbn-formats-" + UUID().uuidString

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  var contents: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }
}

enum TestData {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  static let zipCorpus = root.appendingPathComponent("../shared/data/corpora/libzip/regress/data")
    .standardized
    .path
  static var hasZipCorpus: Bool { FileManager.default.fileExists(atPath: zipCorpus) }
  static func fixture(_ name: String) -> String {
    root.appendingPathComponent("fixtures/formats/\(name)").path
  }
}

@Suite struct ArchiveFileTests {
  private let payloads: [(String, [UInt8])] = [
    ("manifest.json", Array("{}".utf8)), ("weights/0", Array(repeating: 7, count: 1000)), ("leer", []),
    ("ü/ü", [1, 2, 3]),
  ]

  private func write(_ path: String, wideFrom: Int = 0xFFFF_FFFF) throws {
    var writer = try ZipArchiveWriter(path: path, wideFrom: wideFrom)
    for (name, bytes) in payloads { try writer.add(name, bytes) }
    try writer.close()
  }

  @Test(arguments: [0xFFFF_FFFF, 500, 0]) func writtenIsRead(wideFrom: Int) throws {
    let folder = try ScratchFolder()
    try write(folder.file("a.zip"), wideFrom: wideFrom)
    let archive = try ZipArchive(contentsOf: folder.file("a.zip"))
    #expect(archive.entries.map(\.name) == payloads.map(\.0))
    for (name, bytes) in payloads {
      let entry = try #require(archive.entry(name))
      #expect(try archive.read(entry).array == bytes)
      #expect(entry.dataOffset % ZipArchiveWriter.alignment == 0)
    }
    #expect(folder.contents == ["a.zip"])
  }

  @Test func sameEntriesGiveTheSameBytes() throws {
    let folder = try ScratchFolder()
    try write(folder.file("a.zip"))
    try write(folder.file("b.zip"))
    var inMemory = ZipArchiveWriter()
    for (name, bytes) in payloads { try inMemory.add(name, bytes) }
    let bytes = try inMemory.close()
    #expect(try Array(Data(contentsOf: URL(fileURLWithPath: folder.file("a.zip")))) == bytes)
    #expect(try Array(Data(contentsOf: URL(fileURLWithPath: folder.file("b.zip")))) == bytes)
  }

  @Test func anUnfinishedArchiveLeavesNothing() throws {
    let folder = try ScratchFolder()
    do {
      var writer = try ZipArchiveWriter(path: folder.file("a.zip"))
      try writer.add("x", [1])
      #expect(folder.contents.count == 1)
    }
    #expect(folder.contents == [])
    #expect(code { _ = try ZipArchiveWriter(path: folder.file("none/a.zip")) } == .unwritableFile)
  }

  @Test func namesAreChecked() throws {
    var writer = ZipArchiveWriter()
    try writer.add("x", [1])
    #expect(code { try writer.add("x", [2]) } == .duplicateEntry)
    #expect(code { try writer.add("../x", [2]) } == .unsafeName)
    #expect(code { try writer.add(String(repeating: "x", count: 70_000), [2]) } == .unsafeName)
    #expect(try writer.close().count > 0)
  }

  @Test func onlyRegularFilesAreRead() throws {
    let folder = try ScratchFolder()
    #expect(code { _ = try ZipArchive(contentsOf: folder.path) } == .unreadableFile)
    #expect(code { _ = try ZipArchive(contentsOf: folder.file("absent")) } == .unreadableFile)
    #expect(mkfifo(folder.file("pipe"), 0o600) == 0)
    #expect(code { _ = try ZipArchive(contentsOf: folder.file("pipe")) } == .unreadableFile)
  }

  @Test func aFileThatShrinksIsAnError() throws {
    let folder = try ScratchFolder()
    try write(folder.file("a.zip"))
    let archive = try ZipArchive(contentsOf: folder.file("a.zip"))
    #expect(truncate(folder.file("a.zip"), 200) == 0)
    let entry = try #require(archive.entry("weights/0"))
    #expect(code { _ = try archive.read(entry) } == .truncatedArchive)
  }

  @Test func shortAndInterruptedReadsGoOn() throws {
    let path = TestData.fixture("state.pth")
    let whole = try ZipArchive(contentsOf: path)
    let turns = Atomic(0)
    let source = try ByteSource(path: path, subject: .model) { descriptor, target, count, offset in
      // Every third call is interrupted, the others give at most 7 bytes.
      guard turns.add(1, ordering: .relaxed).newValue % 3 != 0 else {
        errno = EINTR
        return -1
      }
      return systemPositionedRead(descriptor, target, min(count, 7), offset)
    }
    let piecewise = try ZipArchive(source, options: ZipArchive.Options())
    #expect(piecewise.entries == whole.entries)
    for entry in whole.entries {
      #expect(try piecewise.read(entry).array == whole.read(entry).array)
    }
    let turnCount = turns.load(ordering: .relaxed)
    #expect(turnCount > 100)
  }

  @Test func aFailingReadIsAnError() throws {
    let source = try ByteSource(path: TestData.fixture("state.pth"), subject: .model) { _, _, _, _ in
      errno = EIO
      return -1
    }
    #expect(code { _ = try ZipArchive(source, options: ZipArchive.Options()) } == .unreadableFile)
  }

  @Test func manyThreadsReadOneArchive() throws {
    var options = ZipArchive.Options()
    options.allowsDeflate = true
    let archive = try ZipArchive(contentsOf: TestData.fixture("numpy-compressed.npz"), options: options)
    let expected = try archive.entries.map { try archive.read($0).array }
    let agreeing = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: 64) { turn in
      let index = turn % archive.entries.count
      if (try? archive.read(archive.entries[index]).array) == expected[index] {
        agreeing.add(1, ordering: .relaxed)
      }
    }
    let agreeingCount = agreeing.load(ordering: .relaxed)
    #expect(agreeingCount == 64)
  }

  @Test func checksumsAreThoseOfZip() {
    // The check value of CRC-32/ISO-HDLC.
    let digits = Array("123456789".utf8)
    #expect(digits.withUnsafeBytes { CRC32.checksum($0) } == 0xCBF4_3926)
    let long = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 31) }
    var pieces = CRC32()
    for start in stride(from: 0, to: 1000, by: 77) {
      Array(long[start..<min(start + 77, 1000)]).withUnsafeBytes { pieces.update($0) }
    }
    var bitwise: UInt32 = 0xFFFF_FFFF
    for byte in long {
      bitwise ^= UInt32(byte)
      for _ in 0..<8 { bitwise = bitwise & 1 == 1 ? bitwise >> 1 ^ 0xEDB8_8320 : bitwise >> 1 }
    }
    #expect(pieces.value == ~bitwise)
    #expect(long.withUnsafeBytes { CRC32.checksum($0) } == ~bitwise)
  }

  @Test(.enabled(if: TestData.hasZipCorpus, "needs libzip's regression archives beside the checkout"))
  func libzipCorpus() throws {
    var accepted: [String] = []
    for name in try FileManager.default.contentsOfDirectory(atPath: TestData.zipCorpus).sorted()
    where name.hasSuffix(".zip") {
      let failure = code {
        let archive = try ZipArchive(contentsOf: TestData.zipCorpus + "/" + name)
        for entry in archive.entries { _ = try archive.read(entry) }
      }
      #expect(failure != RBNError.Code("test.foreign-error"))
      if failure == nil { accepted.append(name) }
    }
    // The extra fields of this one are those that zip(1) writes: as stored in the corpus it is well formed.
    #expect(
      accepted.filter { $0.hasPrefix("incons-") || $0.hasPrefix("broken") } == ["incons-ef-local-id.zip"])
    #expect(accepted.contains("zip64.zip"))
    #expect(accepted.count >= 40)
  }
}
