import RBNTensor

/// The places of an archive's entries, after a check of every byte that is not payload.
///
/// Readers of one zip can disagree on what it holds: by its local headers or its central directory, by one of
/// two end records, by overlapping entries. This check accepts only archives in which nothing is left to
/// disagree on: the entries, each with the header that the central directory describes, tile the file from
/// its first byte to the central directory, and the end records follow without a gap to the last byte.
struct ZipStructure {
  struct Record {
    var name: String
    var flags: UInt16
    var method: UInt16
    var crc32: UInt32
    var compressedByteCount: Int
    var byteCount: Int
    var headerOffset: Int
    var dataOffset = 0

    var hasDescriptor: Bool { flags & 0x8 != 0 }
  }

  /// Bytes of a central directory beyond which no honest archive goes.
  private static let maximumDirectoryByteCount = 1 << 26

  private(set) var records: [Record] = []
  private let source: ByteSource
  private let options: ZipArchive.Options

  init(reading source: ByteSource, options: ZipArchive.Options) throws {
    self.source = source
    self.options = options
    let end = try ZipEndRecords(reading: source, options: options)
    guard end.entryCount <= options.maximumEntryCount else {
      throw refusal(
        .tooManyEntries, "holds \(end.entryCount) entries, over the limit of \(options.maximumEntryCount)")
    }
    guard end.directoryByteCount <= Self.maximumDirectoryByteCount,
      end.entryCount <= end.directoryByteCount / 46
    else {
      throw refusal(
        .malformedDirectory,
        "has a central directory of \(end.directoryByteCount) bytes for \(end.entryCount) entries")
    }
    try readDirectory(end)
    try checkTiling(directoryOffset: end.directoryOffset)
  }

  private func refusal(_ code: RBNError.Code, entry: String? = nil, _ message: String, advice: String? = nil)
    -> RBNError
  {
    RBNError(code, options.subject, file: source.name, location: entry, message, advice: advice)
  }

  // MARK: The central directory

  private mutating func readDirectory(_ end: ZipEndRecords) throws {
    let bytes = try source.bytes(at: end.directoryOffset, count: end.directoryByteCount)
    var cursor = ByteCursor(bytes)
    var names = Set<String>(minimumCapacity: end.entryCount)
    records.reserveCapacity(end.entryCount)
    var inflated = 0
    for index in 0..<end.entryCount {
      let record = try readRecord(&cursor, index: index)
      // Swift compares strings by canonical equivalence: names that look the same count as one.
      guard names.insert(record.name).inserted else {
        throw refusal(.duplicateEntry, entry: record.name, "occurs twice in the archive")
      }
      if record.method != 0 {
        // Each size is below the limit, so that the sum can't overflow before it is refused.
        inflated += record.byteCount
        guard inflated <= options.maximumInflatedByteCount else {
          throw refusal(
            .entryTooLarge, entry: record.name,
            "and the entries before it inflate to over \(options.maximumInflatedByteCount) bytes")
        }
      }
      records.append(record)
    }
    guard cursor.remaining == 0 else {
      throw refusal(
        .malformedDirectory, "has \(cursor.remaining) bytes in its central directory beyond the last entry")
    }
  }

  private func readRecord(_ cursor: inout ByteCursor, index: Int) throws -> Record {
    let broken = refusal(
      .malformedDirectory, "has a central directory that breaks off or is damaged at entry \(index)")
    guard cursor.next(UInt32.self) == 0x0201_4B50, cursor.next(count: 4) != nil,
      let flags = cursor.next(UInt16.self), let method = cursor.next(UInt16.self),
      cursor.next(UInt32.self) != nil,
      let crc = cursor.next(UInt32.self), let compressed = cursor.next(UInt32.self),
      let size = cursor.next(UInt32.self), let nameLength = cursor.next(UInt16.self),
      let extraLength = cursor.next(UInt16.self), let commentLength = cursor.next(UInt16.self),
      let disk = cursor.next(UInt16.self), cursor.next(count: 6) != nil,
      let offset = cursor.next(UInt32.self),
      let nameBytes = cursor.next(count: Int(nameLength)), let extra = cursor.next(count: Int(extraLength)),
      cursor.next(count: Int(commentLength)) != nil
    else { throw broken }
    let name = try checkedName(nameBytes)
    var wide = try zip64Field(extra, of: name)
    guard let fullSize = wide.widen(size), let fullCompressed = wide.widen(compressed),
      let fullOffset = wide.widen(offset)
    else {
      throw refusal(.malformedHeader, entry: name, "has 64-bit sizes that are missing or out of range")
    }
    guard disk == 0 || disk == 0xFFFF else {
      throw refusal(.multiDisk, entry: name, "is part of an archive that spans several files")
    }
    let record = Record(
      name: name, flags: flags, method: method, crc32: crc, compressedByteCount: fullCompressed,
      byteCount: fullSize, headerOffset: fullOffset)
    try checkCompression(record)
    return record
  }

  private func zip64Field(_ extra: ArraySlice<UInt8>, of name: String) throws -> Zip64Field {
    guard let field = Zip64Field(extra: extra) else {
      throw refusal(
        .malformedHeader, entry: name,
        "has extra fields that break off, contradict each other or give it a second name")
    }
    return field
  }

  private func checkedName(_ bytes: ArraySlice<UInt8>) throws -> String {
    guard let name = String(validating: bytes, as: UTF8.self), !name.isEmpty else {
      let shown = String(decoding: bytes.prefix(80), as: UTF8.self)
      throw refusal(.unsafeName, "has an entry whose name is empty or not UTF-8: \(shown.debugDescription)")
    }
    guard !ZipEntryName.isUnsafe(bytes) else {
      throw refusal(
        .unsafeName,
        "has an entry whose name leaves the archive or holds control characters: \(name.debugDescription)")
    }
    return name
  }

  private func checkCompression(_ record: Record) throws {
    let refused: [(bit: UInt16, what: String)] = [
      (0x40, "is strongly encrypted"), (0x1, "is encrypted"), (0x20, "is a patch of other data"),
      (0x2000, "has a masked header"),
    ]
    if let flag = refused.first(where: { record.flags & $0.bit != 0 }) {
      throw refusal(.encryptedEntry, entry: record.name, flag.what)
    }
    switch record.method {
    case 0:
      guard record.byteCount == record.compressedByteCount else {
        throw refusal(
          .entrySizeMismatch, entry: record.name,
          "is stored, yet has the sizes \(record.byteCount) and \(record.compressedByteCount)")
      }
    case 8 where options.allowsDeflate:
      // DEFLATE can't shrink anything further than 1032 times.
      guard record.byteCount <= options.maximumInflatedByteCount,
        record.byteCount / 1033 <= record.compressedByteCount
      else {
        throw refusal(
          .entryTooLarge, entry: record.name,
          "claims to inflate \(record.compressedByteCount) bytes to \(record.byteCount)")
      }
    default:
      throw refusal(
        .compressedEntry, entry: record.name, "is compressed (method \(record.method)) and must be stored",
        advice: "write the archive anew without compression")
    }
  }

  // MARK: Local headers and tiling

  private mutating func checkTiling(directoryOffset: Int) throws {
    let order = records.indices.sorted { records[$0].headerOffset < records[$1].headerOffset }
    if let last = order.last, records[last].headerOffset >= directoryOffset {
      throw refusal(
        .overlappingEntries, entry: records[last].name, "begins in or behind the central directory")
    }
    var covered = 0
    for (rank, index) in order.enumerated() {
      let name = records[index].name
      let start = records[index].headerOffset
      guard start >= covered else {
        throw refusal(.overlappingEntries, entry: name, "overlaps the entry before it")
      }
      guard start == covered else { throw gap(from: covered, to: start) }
      let boundary = rank + 1 < order.count ? records[order[rank + 1]].headerOffset : directoryOffset
      covered = try checkLocalHeader(index, limit: directoryOffset, boundary: boundary)
    }
    guard covered == directoryOffset else { throw gap(from: covered, to: directoryOffset) }
  }

  private func gap(from start: Int, to end: Int) -> RBNError {
    refusal(.archiveGap, "has \(end - start) bytes at byte \(start) that belong to no entry")
  }

  /// Checks an entry's own header and what follows its payload; the first byte behind the entry.
  private mutating func checkLocalHeader(_ index: Int, limit: Int, boundary: Int) throws -> Int {
    let record = records[index]
    let outside = refusal(.overlappingEntries, entry: record.name, "runs into the central directory")
    guard limit - record.headerOffset >= 30 else { throw outside }
    var fixed = ByteCursor(try source.bytes(at: record.headerOffset, count: 30))
    guard fixed.next(UInt32.self) == 0x0403_4B50, fixed.next(UInt16.self) != nil,
      let flags = fixed.next(UInt16.self), let method = fixed.next(UInt16.self),
      fixed.next(UInt32.self) != nil,
      let crc = fixed.next(UInt32.self), let compressed = fixed.next(UInt32.self),
      let size = fixed.next(UInt32.self), let nameLength = fixed.next(UInt16.self),
      let extraLength = fixed.next(UInt16.self)
    else { throw refusal(.malformedHeader, entry: record.name, "has no header of its own") }
    let tail = Int(nameLength) + Int(extraLength)
    let dataOffset = record.headerOffset + 30 + tail
    guard dataOffset <= limit, record.compressedByteCount <= limit - dataOffset else { throw outside }
    var variable = ByteCursor(try source.bytes(at: record.headerOffset + 30, count: tail))
    guard let name = variable.next(count: Int(nameLength)),
      let extra = variable.next(count: Int(extraLength))
    else { throw outside }
    guard name.elementsEqual(record.name.utf8) else {
      throw mismatch(record, "its own header has another name")
    }
    guard flags == record.flags else { throw mismatch(record, "its own header has other flags") }
    guard method == record.method else { throw mismatch(record, "its own header has another method") }
    var wide = try zip64Field(extra, of: record.name)
    if record.hasDescriptor {
      // A writer that streams leaves the numbers open here and repeats them behind the payload.
      let open: (UInt32, Int) -> Bool = { $0 == 0 || $0 == 0xFFFF_FFFF || Int($0) == $1 }
      guard crc == 0 || crc == record.crc32 else { throw otherChecksum(record) }
      guard open(compressed, record.compressedByteCount), open(size, record.byteCount) else {
        throw otherSize(record)
      }
    } else {
      guard crc == record.crc32 else { throw otherChecksum(record) }
      guard wide.widen(size) == record.byteCount, wide.widen(compressed) == record.compressedByteCount else {
        throw otherSize(record)
      }
    }
    records[index].dataOffset = dataOffset
    let end = dataOffset + record.compressedByteCount
    guard record.hasDescriptor else { return end }
    try checkDescriptor(record, at: end, boundary: boundary)
    return boundary
  }

  /// A data descriptor has 12, 16, 20 or 24 bytes: with or without a signature, with 32- or 64-bit sizes.
  private func checkDescriptor(_ record: Record, at start: Int, boundary: Int) throws {
    let length = boundary - start
    guard length >= 12 else {
      throw refusal(.overlappingEntries, entry: record.name, "overlaps the entry behind it")
    }
    guard length <= 24 else { throw gap(from: start + 24, to: boundary) }
    var cursor = ByteCursor(try source.bytes(at: start, count: length))
    let signed = length == 16 || length == 24
    let isWide = length >= 20
    guard !signed || cursor.next(UInt32.self) == 0x0807_4B50, let crc = cursor.next(UInt32.self),
      let compressed = isWide ? cursor.next(UInt64.self) : cursor.next(UInt32.self).map(UInt64.init),
      let size = isWide ? cursor.next(UInt64.self) : cursor.next(UInt32.self).map(UInt64.init),
      cursor.remaining == 0, crc == record.crc32, compressed == UInt64(record.compressedByteCount),
      size == UInt64(record.byteCount)
    else { throw mismatch(record, "the descriptor behind its payload has another checksum or size") }
  }

  private func otherChecksum(_ record: Record) -> RBNError {
    mismatch(record, "its own header has another checksum")
  }

  private func otherSize(_ record: Record) -> RBNError {
    mismatch(record, "its own header has another size")
  }

  private func mismatch(_ record: Record, _ what: String) -> RBNError {
    refusal(.headerMismatch, entry: record.name, "is not what the central directory says: \(what)")
  }
}
