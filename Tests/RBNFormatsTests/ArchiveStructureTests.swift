import RBNTensor
import Testing

@testable import RBNFormats

/// One malformed archive for each rule of the structure check.
@Suite struct ArchiveStructureTests {
  struct Defect: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let code: RBNError.Code
    let spoil: @Sendable (inout ForgedArchive) -> Void

    init(_ name: String, _ code: RBNError.Code, _ spoil: @escaping @Sendable (inout ForgedArchive) -> Void) {
      testDescription = name
      self.code = code
      self.spoil = spoil
    }
  }

  static let nameDefects: [Defect] = [
    Defect("two entries of one name", .duplicateEntry) { $0.entries[1].name = $0.entries[0].name },
    Defect("names that differ in normalisation only", .duplicateEntry) {
      $0.entries[0].name = Array("m/\u{E9}".utf8)
      $0.entries[1].name = Array("m/e\u{301}".utf8)
    },
    Defect("..", .unsafeName) { $0.entries[0].name = Array("m/../x".utf8) },
    Defect(".", .unsafeName) { $0.entries[0].name = Array("./x".utf8) },
    Defect("absolute", .unsafeName) { $0.entries[0].name = Array("/etc/passwd".utf8) },
    Defect("backslash", .unsafeName) { $0.entries[0].name = Array("m\\x".utf8) },
    Defect("NUL", .unsafeName) { $0.entries[0].name = Array("m/x\0y".utf8) },
    Defect("escape sequence", .unsafeName) { $0.entries[0].name = Array("m/\u{1B}[2J".utf8) },
    Defect("empty", .unsafeName) { $0.entries[0].name = [] },
    Defect("not UTF-8", .unsafeName) { $0.entries[0].name = [0x6D, 0xFF, 0xFE] },
  ]

  static let entryDefects: [Defect] = [
    Defect("deflated", .compressedEntry) { $0.entries[1].method = 8 },
    Defect("LZMA", .compressedEntry) { $0.entries[1].method = 14 },
    Defect("encrypted", .encryptedEntry) { $0.entries[1].flags |= 0x1 },
    Defect("patched", .encryptedEntry) { $0.entries[1].flags |= 0x20 },
    Defect("strongly encrypted", .encryptedEntry) { $0.entries[1].flags |= 0x40 },
    Defect("masked header", .encryptedEntry) { $0.entries[1].flags |= 0x2000 },
    Defect("two sizes", .entrySizeMismatch) { $0.entries[1].size += 1 },
    Defect("other local name", .headerMismatch) { $0.entries[1].localName = Array("m/data/9".utf8) },
    Defect("other local flags", .headerMismatch) { $0.entries[1].localFlags = 0 },
    Defect("other local checksum", .headerMismatch) { $0.entries[1].localCRC = 7 },
    Defect("other local checksum, not streamed", .headerMismatch) {
      $0.entries[1].flags = 0x800
      $0.entries[1].localCRC = 7
    },
    Defect("other checksum in the descriptor", .headerMismatch) { $0.entries[1].descriptorCRC = 7 },
    Defect("extra fields that break off", .malformedHeader) { $0.entries[1].localExtra = [1, 0, 9] },
    Defect("central extra fields that break off", .malformedHeader) {
      $0.entries[1].centralExtra = [1, 0, 9, 0]
    },
    Defect("two zip64 fields", .malformedHeader) { $0.entries[1].centralExtra = [1, 0, 0, 0, 1, 0, 0, 0] },
    Defect("a second name", .malformedHeader) { $0.entries[1].localExtra = [0x75, 0x70, 1, 0, 1] },
    Defect("zip64 size without its field", .malformedHeader) { $0.entries[1].size = 0xFFFF_FFFF },
    Defect("zip64 size beyond Int", .malformedHeader) {
      $0.entries[1].size = 0xFFFF_FFFF
      $0.entries[1].centralExtra = [1, 0, 8, 0] + [UInt8](repeating: 0xFF, count: 8)
    },
    Defect("payload beyond the directory", .overlappingEntries) {
      $0.entries[3].size = 1 << 20
      $0.entries[3].compressedSize = 1 << 20
    },
    Defect("two entries in one place", .overlappingEntries) { $0.entries[1].headerOffset = 0 },
    Defect("entry inside another's payload", .overlappingEntries) { $0.entries[1].headerOffset = 20 },
    Defect("entry in the directory", .overlappingEntries) { $0.entries[3].headerOffset = 1 << 20 },
    Defect("descriptor that is missing", .overlappingEntries) {
      $0.entries[1].flags = 0x800
      $0.entries[1].flags |= 8
      $0.entries[1].compressedSize += 10
      $0.entries[1].size += 10
    },
    Defect("another disk", .multiDisk) { $0.entries[1].disk = 1 },
  ]

  static let archiveDefects: [Defect] = [
    Defect("bytes before", .archiveGap) { $0.bytesBefore = [1, 2, 3] },
    Defect("bytes between entries", .archiveGap) {
      $0.entries[1].bytesBehind = [UInt8](repeating: 0, count: 40)
    },
    Defect("bytes between entries without descriptors", .archiveGap) {
      for index in $0.entries.indices { $0.entries[index].flags = 0x800 }
      $0.entries[1].bytesBehind = [0]
    },
    Defect("few bytes behind a descriptor", .headerMismatch) { $0.entries[1].bytesBehind = [0, 0, 0, 0] },
    Defect("bytes before the directory", .archiveGap) {
      $0.entries[3].flags = 0x800
      $0.bytesBeforeDirectory = [0]
    },
    Defect("bytes behind the directory", .archiveGap) { $0.bytesBeforeEnd = [0, 0] },
    Defect("bytes behind the end", .trailingBytes) { $0.bytesBehind = [0, 0] },
    Defect("two ends", .ambiguousEnd) {
      $0.comment = [0x50, 0x4B, 5, 6] + [UInt8](repeating: 0, count: 18)
    },
    Defect("another disk", .multiDisk) { $0.disk = 3 },
    Defect("fewer entries than the directory", .malformedDirectory) { $0.entryCount = 3 },
    Defect("more entries than the directory", .malformedDirectory) { $0.entryCount = 5 },
    Defect("zip64 end elsewhere", .malformedDirectory) { $0.zip64RecordOffset = 7 },
    Defect("zip64 end outside", .malformedDirectory) { $0.zip64RecordOffset = Int.max },
    Defect("zip64 end with another offset", .malformedDirectory) { $0.zip64Offset = 7 },
  ]

  private func open(_ bytes: [UInt8], _ options: ZipArchive.Options = .init()) throws -> ZipArchive {
    try ZipArchive(bytes: TensorStorage(copying: bytes), options: options)
  }

  @Test(arguments: nameDefects + entryDefects + archiveDefects)
  func defectIsRefused(_ defect: Defect) throws {
    var archive = ForgedArchive.sound
    defect.spoil(&archive)
    let bytes = archive.bytes
    #expect(code { _ = try open(bytes) } == defect.code)
  }

  @Test func tooManyEntries() throws {
    var options = ZipArchive.Options()
    options.maximumEntryCount = 3
    #expect(code { _ = try open(ForgedArchive.sound.bytes, options) } == .tooManyEntries)
  }

  @Test func notAZip() {
    #expect(code { _ = try open([]) } == .notAZip)
    #expect(code { _ = try open(Array("hello".utf8)) } == .notAZip)
    #expect(code { _ = try open([UInt8](repeating: 0x80, count: 100_000)) } == .notAZip)
  }

  @Test func soundArchivesAreRead() throws {
    let plain = ForgedArchive.sound
    var withoutZip64 = plain
    withoutZip64.hasZip64End = false
    var commented = plain
    commented.comment = Array("a comment".utf8)
    var variants = [plain, withoutZip64, commented]
    for length in [12, 20, 24] {
      var archive = plain
      archive.entries[1].descriptorLength = length
      variants.append(archive)
    }
    var unstreamed = plain
    unstreamed.entries[1].flags = 0x800
    unstreamed.entries[1].localExtra = [0x46, 0x42, 3, 0, 0x5A, 0x5A, 0x5A]
    variants.append(unstreamed)
    for variant in variants {
      let archive = try open(variant.bytes)
      #expect(archive.entries.map(\.name) == ["m/data.pkl", "m/data/0", "m/data/1", "m/version"])
      let entry = try #require(archive.entry("m/data/0"))
      #expect(try archive.read(entry).array == Array(0..<100))
      #expect(Array(variant.bytes[entry.dataOffset..<(entry.dataOffset + 100)]) == Array(0..<100))
      #expect(archive.entry("m/data/7") == nil)
      #expect(code { _ = try archive.requiredEntry("m/data/7") } == .missingEntry)
      #expect(code { _ = try archive.readBytes(named: "m/data/0", limit: 99) } == .entryTooLarge)
      #expect(try archive.readBytes(named: "m/version", limit: 2) == Array("3\n".utf8))
    }
  }

  @Test func damagedPayload() throws {
    var archive = ForgedArchive.sound
    archive.entries[1].payload[50] ^= 1
    let damaged = try open(archive.bytes)
    let entry = try #require(damaged.entry("m/data/0"))
    #expect(code { _ = try damaged.read(entry) } == .crcMismatch)
    // A checksum of 0 stands for one that was not computed.
    archive.entries[1].crc = 0
    let unchecked = try open(archive.bytes)
    #expect(try unchecked.read(try #require(unchecked.entry("m/data/0"))).array.count == 100)
  }

  @Test func everyTruncationIsRefused() throws {
    let bytes = ForgedArchive.sound.bytes
    for count in 0..<bytes.count {
      #expect(throws: RBNError.self) { _ = try open(Array(bytes[..<count])) }
    }
  }

  @Test func flippedBytesNeverCrash() throws {
    let bytes = ForgedArchive.sound.bytes
    var generator = SeededGenerator(seed: 1)
    var refused = 0
    for _ in 0..<4000 {
      var spoiled = bytes
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        spoiled[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(
          in: 0...255, using: &generator)
      }
      let failure = code {
        let archive = try open(spoiled)
        for entry in archive.entries { _ = try archive.read(entry) }
      }
      #expect(failure != RBNError.Code("test.foreign-error"))
      if failure != nil { refused += 1 }
    }
    #expect(refused > 2000)
  }
}
