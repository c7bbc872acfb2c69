import RBNTensor

/// Writes zip archives whose payloads are stored, not compressed, and begin at multiples of 64 bytes.
///
/// libzip can't align payloads, so the records are written here: for each entry a local header, padded by an
/// extra field `FB` (as torch pads), and the payload; then the central directory and the end records, those of
/// zip64 only where a number needs them. The same entries always give the same bytes: all dates are 1980-01-01.
package struct ZipArchiveWriter: ~Copyable {
  /// Payloads begin at multiples of this.
  package static let alignment = 64

  private enum Sink {
    case file(OutputFile)
    case memory([UInt8])
  }

  private var sink: Sink
  private var position = 0
  private var directory = LittleEndianBytes()
  private var names = Set<String>()
  /// Numbers from here on go to the zip64 fields; lower in tests only.
  private let wideFrom: Int

  /// Begins an archive that will appear at `path` when it is closed; dropped before that, it leaves nothing.
  ///
  /// - Throws: `file.unwritable`.
  package init(path: String) throws { try self.init(path: path, wideFrom: 0xFFFF_FFFF) }

  init(path: String, wideFrom: Int) throws {
    sink = .file(try OutputFile(path: path))
    self.wideFrom = wideFrom
  }

  /// Begins an archive in memory.
  package init() {
    sink = .memory([])
    wideFrom = 0xFFFF_FFFF
  }

  /// Adds an entry.
  ///
  /// - Throws: `archive.duplicate-entry`, `archive.unsafe-name`, `file.unwritable`.
  package mutating func add(_ name: String, _ payload: UnsafeRawBufferPointer) throws {
    let nameBytes = Array(name.utf8)
    guard !ZipEntryName.isUnsafe(nameBytes), nameBytes.count <= ZipEntryName.maximumByteCount else {
      throw RBNError(.unsafeName, .usage, "an archive can't have an entry named \(name.debugDescription)")
    }
    guard names.insert(name).inserted else {
      throw RBNError(.duplicateEntry, .usage, location: name, "was added to the archive twice")
    }
    let crc = CRC32.checksum(payload)
    let isWide = payload.count >= wideFrom
    let size = isWide ? 0xFFFF_FFFF : UInt32(truncatingIfNeeded: payload.count)

    var extra = LittleEndianBytes()
    if isWide { extra.append(UInt16(1), UInt16(16), UInt64(payload.count), UInt64(payload.count)) }
    let unpadded = position + 30 + nameBytes.count + extra.bytes.count + 4
    let padding = (Self.alignment - unpadded % Self.alignment) % Self.alignment
    extra.append(UInt16(0x4246), UInt16(padding))
    extra.bytes.append(contentsOf: repeatElement(0, count: padding))

    // Version needed, flags (UTF-8 name), method, time, date, checksum and sizes stand alike in both headers.
    var common = LittleEndianBytes()
    common.append(
      UInt16(isWide ? 45 : 20), UInt16(0x800), UInt16(0), UInt16(0), UInt16(0x21), crc, size, size)

    var header = LittleEndianBytes()
    header.append(UInt32(0x0403_4B50))
    header.bytes += common.bytes
    header.append(UInt16(nameBytes.count), UInt16(extra.bytes.count))
    header.bytes += nameBytes + extra.bytes

    let offsetIsWide = position >= wideFrom
    var wideFields = LittleEndianBytes()
    if isWide { wideFields.append(UInt64(payload.count), UInt64(payload.count)) }
    if offsetIsWide { wideFields.append(UInt64(position)) }
    directory.append(UInt32(0x0201_4B50), UInt16(isWide || offsetIsWide ? 45 : 20))
    directory.bytes += common.bytes
    directory.append(
      UInt16(nameBytes.count), UInt16(wideFields.bytes.isEmpty ? 0 : wideFields.bytes.count + 4))
    directory.append(UInt16(0), UInt16(0), UInt16(0), UInt32(0))
    directory.append(offsetIsWide ? 0xFFFF_FFFF : UInt32(truncatingIfNeeded: position))
    directory.bytes += nameBytes
    if !wideFields.bytes.isEmpty {
      directory.append(UInt16(1), UInt16(wideFields.bytes.count))
      directory.bytes += wideFields.bytes
    }

    try put(header.bytes)
    try put(payload)
  }

  /// Adds an entry.
  ///
  /// - Throws: as the other `add`.
  package mutating func add(_ name: String, _ payload: [UInt8]) throws {
    try payload.withUnsafeBytes { try add(name, $0) }
  }

  /// Adds the bytes of a tensor as an entry.
  ///
  /// - Throws: as the other `add`.
  package mutating func add(_ name: String, _ tensor: Tensor) throws {
    try tensor.withUnsafeBytes { try add(name, $0) }
  }

  /// Writes the directory and puts the file in its place.
  ///
  /// - Returns: the archive's bytes if it was begun in memory, nothing otherwise.
  /// - Throws: `file.unwritable`.
  @discardableResult
  package consuming func close(durable: Bool = false) throws -> [UInt8] {
    let start = position
    let size = directory.bytes.count
    let count = names.count
    try put(directory.bytes)
    var end = LittleEndianBytes()
    let isWide = start >= wideFrom || size >= wideFrom || count >= min(wideFrom, 0xFFFF)
    if isWide {
      end.append(UInt32(0x0606_4B50), UInt64(44), UInt16(45), UInt16(45), UInt32(0), UInt32(0))
      end.append(UInt64(count), UInt64(count), UInt64(size), UInt64(start))
      end.append(UInt32(0x0706_4B50), UInt32(0), UInt64(start + size), UInt32(1))
    }
    let shownCount = isWide ? 0xFFFF : UInt16(truncatingIfNeeded: count)
    end.append(UInt32(0x0605_4B50), UInt16(0), UInt16(0), shownCount, shownCount)
    end.append(
      isWide ? 0xFFFF_FFFF : UInt32(truncatingIfNeeded: size),
      isWide ? 0xFFFF_FFFF : UInt32(truncatingIfNeeded: start), UInt16(0))
    try put(end.bytes)
    switch sink {
    case .file(let file):
      try file.commit(durable: durable)
      return []
    case .memory(let bytes):
      return bytes
    }
  }

  private mutating func put(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try put($0) }
  }

  private mutating func put(_ bytes: UnsafeRawBufferPointer) throws {
    position += bytes.count
    switch sink {
    case .file(let file): try file.write(bytes)
    case .memory(var buffer):
      sink = .memory([])  // Leaves the buffer with one owner, so that it grows in place.
      buffer.append(contentsOf: bytes)
      sink = .memory(buffer)
    }
  }
}

/// Bytes under construction, integers little-endian.
struct LittleEndianBytes {
  var bytes: [UInt8] = []

  mutating func append<each Value: FixedWidthInteger>(_ values: repeat each Value) {
    func append(_ value: some FixedWidthInteger) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    repeat append(each values)
  }
}
