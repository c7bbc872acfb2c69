import RBNTensor
import Testing

@testable import RBNFormats

/// A zip archive put together record by record, so that any one of them can be wrong.
struct ForgedArchive {
  struct Entry {
    var name: [UInt8]
    var payload: [UInt8]
    var flags: UInt16 = 0x808
    var method: UInt16 = 0
    var crc: UInt32
    var compressedSize: Int
    var size: Int
    var localName: [UInt8]?
    var localFlags: UInt16?
    var localCRC: UInt32?
    var localExtra: [UInt8] = []
    var centralExtra: [UInt8] = []
    var descriptorLength = 16
    var descriptorCRC: UInt32?
    var bytesBehind: [UInt8] = []
    var headerOffset: Int?
    var disk: UInt16 = 0

    init(_ name: String, _ payload: [UInt8]) {
      self.name = Array(name.utf8)
      self.payload = payload
      self.crc = payload.withUnsafeBytes { CRC32.checksum($0) }
      self.compressedSize = payload.count
      self.size = payload.count
    }
  }

  var entries: [Entry]
  var hasZip64End = true
  var comment: [UInt8] = []
  var bytesBeforeDirectory: [UInt8] = []
  var bytesBeforeEnd: [UInt8] = []
  var bytesBehind: [UInt8] = []
  var bytesBefore: [UInt8] = []
  var entryCount: Int?
  var disk: UInt16 = 0
  var zip64Offset: Int?
  var zip64RecordOffset: Int?

  init(_ entries: [Entry]) { self.entries = entries }

  /// What torch writes, in miniature.
  static var sound: ForgedArchive {
    ForgedArchive([
      Entry("m/data.pkl", Array("pickle".utf8)), Entry("m/data/0", Array(0..<100)), Entry("m/data/1", []),
      Entry("m/version", Array("3\n".utf8)),
    ])
  }

  var bytes: [UInt8] {
    var out = LittleEndianBytes()
    var directory = LittleEndianBytes()
    out.bytes = bytesBefore
    for entry in entries {
      let start = out.bytes.count
      appendEntry(entry, to: &out)
      directory.append(
        UInt32(0x0201_4B50), UInt16(20), UInt16(20), entry.flags, entry.method, UInt32(0x21_0000))
      directory.append(entry.crc, UInt32(entry.compressedSize), UInt32(entry.size))
      directory.append(UInt16(entry.name.count), UInt16(entry.centralExtra.count), UInt16(0), entry.disk)
      directory.append(UInt16(0), UInt32(0), UInt32(entry.headerOffset ?? start))
      directory.bytes += entry.name + entry.centralExtra
    }
    out.bytes += bytesBeforeDirectory
    let directoryOffset = out.bytes.count
    out.bytes += directory.bytes + bytesBeforeEnd
    let count = entryCount ?? entries.count
    if hasZip64End {
      let recordOffset = out.bytes.count
      out.append(UInt32(0x0606_4B50), UInt64(44), UInt16(45), UInt16(45), UInt32(0), UInt32(0))
      out.append(UInt64(count), UInt64(count), UInt64(directory.bytes.count))
      out.append(UInt64(zip64Offset ?? directoryOffset))
      out.append(UInt32(0x0706_4B50), UInt32(0), UInt64(zip64RecordOffset ?? recordOffset), UInt32(1))
    }
    out.append(UInt32(0x0605_4B50), disk, UInt16(0), UInt16(count), UInt16(count))
    out.append(UInt32(directory.bytes.count), UInt32(directoryOffset), UInt16(comment.count))
    out.bytes += comment + bytesBehind
    return out.bytes
  }

  private func appendEntry(_ entry: Entry, to out: inout LittleEndianBytes) {
    let flags = entry.localFlags ?? entry.flags
    let streamed = flags & 8 != 0
    let name = entry.localName ?? entry.name
    out.append(UInt32(0x0403_4B50), UInt16(20), flags, entry.method, UInt32(0x21_0000))
    out.append(
      entry.localCRC ?? (streamed ? 0 : entry.crc), UInt32(streamed ? 0 : entry.compressedSize),
      UInt32(streamed ? 0 : entry.size))
    out.append(UInt16(name.count), UInt16(entry.localExtra.count))
    out.bytes += name + entry.localExtra + entry.payload
    if entry.flags & 8 != 0 {
      if entry.descriptorLength == 16 || entry.descriptorLength == 24 { out.append(UInt32(0x0807_4B50)) }
      out.append(entry.descriptorCRC ?? entry.crc)
      if entry.descriptorLength >= 20 {
        out.append(UInt64(entry.compressedSize), UInt64(entry.size))
      } else {
        out.append(UInt32(entry.compressedSize), UInt32(entry.size))
      }
    }
    out.bytes += entry.bytesBehind
  }
}

extension TensorStorage {
  /// Storage that holds a copy of some bytes.
  convenience init(copying source: [UInt8]) throws {
    try self.init(byteCount: source.count)
    if !source.isEmpty { bytes.copyBytes(from: source) }
  }

  var array: [UInt8] { Array(bytes) }
}

/// The code of the `RBNError` that `body` throws; nil when it throws none.
func code(_ body: () throws -> Void) -> RBNError.Code? {
  do {
    try body()
    return nil
  } catch let error as RBNError {
    return error.code
  } catch {
    return RBNError.Code("test.foreign-error")
  }
}

/// Numbers that are the same in every run.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// SplitMix64 (Steele, Lea, Flood 2014).
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
