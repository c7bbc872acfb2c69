import RBNFormats
import RBNTensor

/// A zip archive taken apart, changed, and written again with sound sizes, offsets and checksums.
struct ZipMutator: FuzzMutator {
  /// Changes one payload in the terms of its own format: by the entry's name and bytes; nil for any change.
  typealias PayloadMutation = @Sendable (_ name: String, [UInt8], inout SplitMix64, RawMutation) -> [UInt8]?

  /// The entries whose payloads are changed most of the time.
  var prefers: @Sendable (_ name: String) -> Bool = { _ in true }
  var payload: PayloadMutation = { _, _, _, _ in nil }
  /// Puts right what other entries say about the changed ones, such as digests.
  var repair: @Sendable ([ZipParts.Entry]) -> [ZipParts.Entry] = { $0 }

  func mutate(_ bytes: [UInt8], random: inout SplitMix64, raw: RawMutation) -> [UInt8]? {
    guard var parts = ZipParts(bytes), !parts.entries.isEmpty else { return nil }
    if random.once(in: 4) {
      mutateStructure(&parts, random: &random, raw: raw)
    } else {
      let preferred = parts.entries.indices.filter { prefers(parts.entries[$0].text) }
      guard
        let index = (random.once(in: 8) ? Array(parts.entries.indices) : preferred).randomElement(
          using: &random)
      else { return nil }
      let entry = parts.entries[index]
      parts.entries[index].payload =
        payload(entry.text, entry.payload, &random, raw) ?? raw(entry.payload, entry.payload.count + 64)
    }
    if !random.once(in: 16) { parts.entries = repair(parts.entries) }
    return parts.bytes
  }

  private func mutateStructure(_ parts: inout ZipParts, random: inout SplitMix64, raw: RawMutation) {
    let index = Int.random(in: 0..<parts.entries.count, using: &random)
    switch Int.random(in: 0..<9, using: &random) {
    case 0: parts.entries.remove(at: index)
    case 1: parts.entries.append(parts.entries[index])
    case 2: parts.entries[index].name = raw(parts.entries[index].name, 64)
    case 3: parts.entries.swapAt(index, Int.random(in: 0..<parts.entries.count, using: &random))
    case 4: parts.entries[index].isDeflated.toggle()
    case 5: parts.entries[index].hasDescriptor.toggle()
    case 6: parts.entries[index].extra = raw(parts.entries[index].extra, 32)
    case 7: parts.hasZip64End.toggle()
    default: parts.comment = raw(parts.comment, 32)
    }
  }
}

/// The entries of a sound archive, and an archive of entries.
struct ZipParts {
  struct Entry {
    var name: [UInt8]
    var payload: [UInt8]
    var extra: [UInt8] = []
    var isDeflated = false
    var hasDescriptor = false

    /// The name, or what is left of it as UTF-8.
    var text: String { String(decoding: name, as: UTF8.self) }
  }

  var entries: [Entry]
  var comment: [UInt8] = []
  var hasZip64End = false

  private static let maximumByteCount = 1 << 22

  init(entries: [Entry]) { self.entries = entries }

  /// Nil for bytes that are no sound archive, and for one that is too large to be worth changing.
  init?(_ bytes: [UInt8]) {
    var options = ZipArchive.Options()
    options.allowsDeflate = true
    options.maximumInflatedByteCount = Self.maximumByteCount
    guard bytes.count <= Self.maximumByteCount, let storage = try? TensorStorage(copying: bytes),
      let archive = try? ZipArchive(bytes: storage, options: options)
    else { return nil }
    entries = archive.entries.compactMap { entry in
      guard let payload = try? archive.readBytes(named: entry.name, limit: Self.maximumByteCount) else {
        return nil
      }
      return Entry(name: Array(entry.name.utf8), payload: payload)
    }
  }

  func payload(_ name: String) -> [UInt8]? { entries.first { $0.text == name }?.payload }

  /// The archive: local headers and payloads, the central directory, the end records.
  var bytes: [UInt8] {
    var out: [UInt8] = []
    var directory: [UInt8] = []
    for entry in entries {
      let data = entry.isDeflated ? Self.deflateStored(entry.payload) : entry.payload
      let crc = entry.payload.withUnsafeBytes { CRC32.checksum($0) }
      let sizes = littleEndian(UInt32(data.count)) + littleEndian(UInt32(entry.payload.count))
      let flags: UInt16 = entry.hasDescriptor ? 0x808 : 0x800
      let start =
        littleEndian(UInt16(20)) + littleEndian(flags) + littleEndian(UInt16(entry.isDeflated ? 8 : 0))
        + littleEndian(UInt32(0x21_0000))
      let lengths = littleEndian(UInt16(entry.name.count)) + littleEndian(UInt16(entry.extra.count))
      directory +=
        littleEndian(UInt32(0x0201_4B50)) + littleEndian(UInt16(20)) + start + littleEndian(crc) + sizes
      directory += lengths + [UInt8](repeating: 0, count: 10) + littleEndian(UInt32(out.count))
      directory += entry.name + entry.extra
      let open = [UInt8](repeating: 0, count: 12)
      out +=
        littleEndian(UInt32(0x0403_4B50)) + start + (entry.hasDescriptor ? open : littleEndian(crc) + sizes)
      out += lengths + entry.name + entry.extra + data
      if entry.hasDescriptor { out += littleEndian(UInt32(0x0807_4B50)) + littleEndian(crc) + sizes }
    }
    return out + directory + end(directoryOffset: out.count, directory.count)
  }

  private func end(directoryOffset: Int, _ directoryByteCount: Int) -> [UInt8] {
    var end: [UInt8] = []
    if hasZip64End {
      end += littleEndian(UInt32(0x0606_4B50)) + littleEndian(UInt64(44)) + littleEndian(UInt16(45))
      end += littleEndian(UInt16(45)) + littleEndian(UInt64(0))
      end += littleEndian(UInt64(entries.count)) + littleEndian(UInt64(entries.count))
      end += littleEndian(UInt64(directoryByteCount)) + littleEndian(UInt64(directoryOffset))
      end += littleEndian(UInt32(0x0706_4B50)) + littleEndian(UInt32(0))
      end += littleEndian(UInt64(directoryOffset + directoryByteCount)) + littleEndian(UInt32(1))
    }
    let count = littleEndian(UInt16(truncatingIfNeeded: entries.count))
    end += littleEndian(UInt32(0x0605_4B50)) + littleEndian(UInt32(0)) + count + count
    return end + littleEndian(UInt32(directoryByteCount)) + littleEndian(UInt32(directoryOffset))
      + littleEndian(UInt16(comment.count)) + comment
  }

  /// DEFLATE without compression (RFC 1951, 3.2.4): blocks of at most 65535 bytes, each with its length.
  static func deflateStored(_ bytes: [UInt8]) -> [UInt8] {
    var out: [UInt8] = []
    var rest = bytes[...]
    repeat {
      let block = rest.prefix(0xFFFF)
      rest = rest.dropFirst(0xFFFF)
      let length = UInt16(block.count)
      out += [rest.isEmpty ? 1 : 0] + littleEndian(length) + littleEndian(~length) + block
    } while !rest.isEmpty
    return out
  }
}

extension TensorStorage {
  /// Storage that holds a copy of some bytes.
  convenience init(copying source: [UInt8]) throws {
    try self.init(byteCount: source.count)
    source.withUnsafeBytes { bytes.copyMemory(from: $0) }
  }
}
