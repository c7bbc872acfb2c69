import RBNTensor

/// Where the central directory lies, from the records at the end of an archive.
struct ZipEndRecords {
  private(set) var entryCount: Int
  private(set) var directoryByteCount: Int
  private(set) var directoryOffset: Int

  /// Finds and checks the end record and, where present, the zip64 end record and its locator.
  ///
  /// - Throws: `archive.not-a-zip`, `archive.truncated`, `archive.trailing-bytes`, `archive.ambiguous-end`,
  ///   `archive.multi-disk`, `archive.malformed-directory`, `archive.gap`.
  init(reading source: ByteSource, options: ZipArchive.Options) throws {
    func refusal(_ code: RBNError.Code, _ message: String, advice: String? = nil) -> RBNError {
      RBNError(code, options.subject, file: source.name, message, advice: advice)
    }
    let position = try Self.findEnd(source, options)
    var cursor = ByteCursor(try source.bytes(at: position + 4, count: 18))
    guard let disk = cursor.next(UInt16.self), let directoryDisk = cursor.next(UInt16.self),
      let entriesHere = cursor.next(UInt16.self), let entries = cursor.next(UInt16.self),
      let size = cursor.next(UInt32.self), let offset = cursor.next(UInt32.self)
    else { throw refusal(.malformedDirectory, "has a damaged end record") }
    guard disk == 0 || disk == 0xFFFF, directoryDisk == 0 || directoryDisk == 0xFFFF, entriesHere == entries
    else {
      throw refusal(.multiDisk, "is part of an archive that spans several files")
    }
    entryCount = Int(entries)
    directoryByteCount = Int(size)
    directoryOffset = Int(offset)
    var directoryEnd = position
    let saturated =
      disk == 0xFFFF || directoryDisk == 0xFFFF || entries == 0xFFFF || size == 0xFFFF_FFFF
      || offset == 0xFFFF_FFFF
    let damaged = refusal(.malformedDirectory, "has zip64 end records that are damaged or missing")
    if position >= 20, let found = Self.locatedRecord(try source.bytes(at: position - 20, count: 20)) {
      guard let recordOffset = found, recordOffset <= position - 76,
        let wide = Self.zip64Record(
          try source.bytes(at: recordOffset, count: min(position - 20 - recordOffset, 1 << 16)))
      else { throw damaged }
      // A narrow field either is saturated or says the same.
      guard entries == 0xFFFF || Int(entries) == wide.entries, size == 0xFFFF_FFFF || Int(size) == wide.size,
        offset == 0xFFFF_FFFF || Int(offset) == wide.offset
      else { throw damaged }
      entryCount = wide.entries
      directoryByteCount = wide.size
      directoryOffset = wide.offset
      directoryEnd = recordOffset
    } else if saturated {
      throw damaged
    }
    guard directoryOffset <= directoryEnd, directoryByteCount <= directoryEnd - directoryOffset else {
      throw refusal(
        .malformedDirectory, "has a central directory outside the file or across the end record")
    }
    guard directoryByteCount == directoryEnd - directoryOffset else {
      throw refusal(
        .archiveGap, "has bytes before the archive, or between the central directory and the end record")
    }
  }

  /// The position of the end record: the one place whose comment reaches exactly to the end of the file.
  private static func findEnd(_ source: ByteSource, _ options: ZipArchive.Options) throws -> Int {
    func refusal(_ code: RBNError.Code, _ message: String, advice: String? = nil) -> RBNError {
      RBNError(code, options.subject, file: source.name, message, advice: advice)
    }
    let tailCount = min(source.byteCount, 22 + 0xFFFF)
    let tail = try source.bytes(at: source.byteCount - tailCount, count: tailCount)
    var exact: [Int] = []
    var nearest: (position: Int, excess: Int)?
    var position = tailCount - 22
    while position >= 0 {
      if tail[position] == 0x50, tail[position + 1] == 0x4B, tail[position + 2] == 5, tail[position + 3] == 6
      {
        let comment = Int(tail[position + 20]) | Int(tail[position + 21]) << 8
        let excess = tailCount - position - 22 - comment
        if excess == 0 { exact.append(position) }
        if nearest == nil { nearest = (position, excess) }
      }
      position -= 1
    }
    if exact.count == 1 { return source.byteCount - tailCount + exact[0] }
    if exact.count > 1 {
      throw refusal(.ambiguousEnd, "has two end records, so that readers may disagree on what it holds")
    }
    if let nearest, nearest.excess > 0 {
      throw refusal(.trailingBytes, "has \(nearest.excess) bytes behind the end of the archive")
    }
    let head = try source.bytes(at: 0, count: min(source.byteCount, 4))
    guard nearest == nil, head != [0x50, 0x4B, 3, 4] else {
      throw refusal(
        .truncatedArchive, "breaks off before the end of the archive",
        advice: "copy or download the file again")
    }
    throw refusal(.notAZip, source.byteCount == 0 ? "is empty" : "is not a zip archive")
  }

  /// The offset that a zip64 locator holds: nil when there is no locator, `.some(nil)` when it is damaged.
  private static func locatedRecord(_ bytes: [UInt8]) -> Int?? {
    var cursor = ByteCursor(bytes)
    guard cursor.next(UInt32.self) == 0x0706_4B50 else { return nil }
    guard cursor.next(UInt32.self) == 0, let offset = cursor.next(UInt64.self), cursor.next(UInt32.self) == 1
    else {
      return .some(nil)
    }
    return .some(Int(exactly: offset))
  }

  private static func zip64Record(_ bytes: [UInt8]) -> (entries: Int, size: Int, offset: Int)? {
    var cursor = ByteCursor(bytes)
    guard cursor.next(UInt32.self) == 0x0606_4B50, let length = cursor.next(UInt64.self),
      length == UInt64(bytes.count - 12), length >= 44, cursor.next(count: 4) != nil,
      cursor.next(UInt32.self) == 0, cursor.next(UInt32.self) == 0, let here = cursor.next(UInt64.self),
      let total = cursor.next(UInt64.self), here == total, let entries = Int(exactly: total),
      let size = cursor.next(UInt64.self).flatMap({ Int(exactly: $0) }),
      let offset = cursor.next(UInt64.self).flatMap({ Int(exactly: $0) })
    else { return nil }
    return (entries, size, offset)
  }
}

/// The zip64 extra field of an entry: the 64-bit values of those of its fields that are saturated, in order.
struct Zip64Field {
  private var cursor: ByteCursor?

  /// Finds the field among an entry's extra fields; nil when these break off, hold it twice, or hold the field
  /// for a second, Unicode name (0x7075) or comment (0x6375), by which some readers would go.
  init?(extra: ArraySlice<UInt8>) {
    var fields = ByteCursor(Array(extra))
    while fields.remaining > 0 {
      guard let identifier = fields.next(UInt16.self), let length = fields.next(UInt16.self),
        let content = fields.next(count: Int(length))
      else { return nil }
      guard identifier != 0x7075, identifier != 0x6375 else { return nil }
      guard identifier == 1 else { continue }
      guard cursor == nil else { return nil }
      cursor = ByteCursor(Array(content))
    }
  }

  /// The value of a 32-bit field, taken from here when it is saturated; nil when it is not here or exceeds `Int`.
  mutating func widen(_ narrow: UInt32) -> Int? {
    if narrow != 0xFFFF_FFFF { return Int(narrow) }
    return cursor?.next(UInt64.self).flatMap { Int(exactly: $0) }
  }
}
