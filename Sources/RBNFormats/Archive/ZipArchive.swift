import CLibZip
import RBNTensor
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A zip archive, opened for reading after a check of its whole structure.
///
/// libzip opens it with its consistency check and inflates what is deflated; the bytes are checked besides by
/// `ZipStructure`, because libzip accepts archives that other readers see differently. Stored payloads are
/// read straight into the storage of tensors, and every payload is checked against its CRC-32 when it is read.
///
/// An archive may be read from several tasks at once.
package final class ZipArchive: Sendable {
  /// What is accepted.
  package struct Options: Sendable {
    /// Whether entries may be compressed with DEFLATE, as `numpy.savez_compressed` does.
    package var allowsDeflate = false
    /// The most entries.
    package var maximumEntryCount = 100_000
    /// The most bytes that the deflated entries may inflate to, together.
    package var maximumInflatedByteCount = 1 << 31
    /// Whose fault errors are.
    package var subject = RBNError.Subject.model

    package init() {}
  }

  /// One entry of the archive.
  package struct Entry: Hashable, Sendable {
    /// The name: UTF-8, relative, without `.` or `..` components.
    package let name: String
    /// The size of the payload, after inflation if it is deflated.
    package let byteCount: Int
    /// The CRC-32 of the payload; 0 where the writer computed none.
    package let crc32: UInt32
    /// The position of the payload in the file.
    package let dataOffset: Int

    let index: Int
    let isDeflated: Bool
  }

  /// The entries, in the order of the central directory.
  package let entries: [Entry]
  /// The path as the caller gave it; nil for an archive in memory.
  package var path: String? { source.name }

  private let byName: [String: Int]
  private let source: ByteSource
  /// The size of the archive, in bytes.
  package var byteCount: Int { source.byteCount }
  private let subject: RBNError.Subject
  /// Kept only where there is something to inflate. A libzip handle is not to be shared between threads.
  private let inflater: Mutex<LibZipHandle?>

  /// Opens the archive in a file.
  ///
  /// - Throws: `file.unreadable`; an `archive.…` error for each rule that it breaks.
  package convenience init(contentsOf path: String, options: Options = Options()) throws {
    try self.init(ByteSource(path: path, subject: options.subject), options: options)
  }

  /// Opens an archive in memory.
  package convenience init(bytes: TensorStorage, options: Options = Options()) throws {
    try self.init(ByteSource(bytes, subject: options.subject), options: options)
  }

  package init(_ source: ByteSource, options: Options) throws {
    let structure = try ZipStructure(reading: source, options: options)
    let entries = structure.records.enumerated().map { index, record in
      Entry(
        name: record.name, byteCount: record.byteCount, crc32: record.crc32, dataOffset: record.dataOffset,
        index: index, isDeflated: record.method != 0)
    }
    let handle = try LibZipHandle(source, subject: options.subject)
    guard handle.entryCount == entries.count else {
      throw RBNError(
        .inconsistentArchive, options.subject, file: source.name,
        "holds \(entries.count) entries by its directory and \(handle.entryCount) by libzip")
    }
    self.inflater = Mutex(entries.contains { $0.isDeflated } ? handle : nil)
    self.byName = Dictionary(entries.map { ($0.name, $0.index) }) { first, _ in first }
    self.entries = entries
    self.source = source
    self.subject = options.subject
  }

  /// The entry of a name.
  package func entry(_ name: String) -> Entry? { byName[name].map { entries[$0] } }

  /// The entry of a name that must be there.
  ///
  /// - Throws: `archive.missing-entry`.
  package func requiredEntry(_ name: String) throws -> Entry {
    guard let entry = entry(name) else {
      throw RBNError(.missingEntry, subject, file: path, location: name, "is not in the archive")
    }
    return entry
  }

  /// The payload of an entry, checked against its CRC-32 (a stored CRC of 0 means that none was computed).
  ///
  /// - Throws: `archive.crc-mismatch`, `archive.truncated`, `archive.size-mismatch`, `file.unreadable`,
  ///   `system.out-of-memory`.
  package func read(_ entry: Entry) throws -> TensorStorage {
    let storage = try TensorStorage(byteCount: entry.byteCount)
    try read(entry, into: storage.bytes)
    return storage
  }

  /// The payload of an entry of at most `limit` bytes, checked as by ``read(_:)``.
  ///
  /// - Throws: `archive.missing-entry`, `archive.entry-too-large`, and as ``read(_:)``.
  package func readBytes(named name: String, limit: Int) throws -> [UInt8] {
    let entry = try requiredEntry(name)
    guard entry.byteCount <= limit else {
      throw RBNError(
        .entryTooLarge, subject, file: path, location: name,
        "has \(entry.byteCount) bytes, over the limit of \(limit)")
    }
    return try [UInt8](count: entry.byteCount) { try read(entry, into: UnsafeMutableRawBufferPointer($0)) }
  }

  /// A stored entry where it lies in the file, after a check of its payload as by ``read(_:)``; nothing is held.
  ///
  /// - Throws: as ``read(_:)``; `archive.compressed-entry`.
  func range(of entry: Entry) throws -> (source: ByteSource, range: Range<Int>) {
    guard !entry.isDeflated else {
      throw RBNError(
        .compressedEntry, subject, file: path, location: entry.name, "is compressed and must be stored")
    }
    var crc = CRC32()
    var done = 0
    while done < entry.byteCount, entry.crc32 != 0 {
      let block = try source.bytes(at: entry.dataOffset + done, count: min(entry.byteCount - done, 1 << 18))
      block.withUnsafeBytes { crc.update($0) }
      done += block.count
    }
    try check(crc, entry)
    return (source, entry.dataOffset..<(entry.dataOffset + entry.byteCount))
  }

  private func read(_ entry: Entry, into buffer: UnsafeMutableRawBufferPointer) throws {
    let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<entry.byteCount])
    var crc = CRC32()
    if entry.isDeflated {
      try inflate(entry, into: target)
      crc.update(UnsafeRawBufferPointer(target))
    } else {
      // In blocks that stay in the cache between the read and the checksum.
      var done = 0
      while done < target.count {
        let count = min(target.count - done, 1 << 18)
        let block = UnsafeMutableRawBufferPointer(rebasing: target[done..<(done + count)])
        try source.read(at: entry.dataOffset + done, into: block)
        if entry.crc32 != 0 { crc.update(UnsafeRawBufferPointer(block)) }
        done += count
      }
    }
    try check(crc, entry)
  }

  private func check(_ crc: CRC32, _ entry: Entry) throws {
    guard entry.crc32 == 0 || crc.value == entry.crc32 else {
      throw RBNError(
        .crcMismatch, subject, file: path, location: entry.name,
        "is damaged: its checksum is not the recorded one",
        advice: "copy or download the file again")
    }
  }

  private func inflate(_ entry: Entry, into target: UnsafeMutableRawBufferPointer) throws {
    let error = inflater.withLock { handle -> String? in
      guard let handle else { return "nothing to inflate it with" }
      return handle.read(index: entry.index, into: target)
    }
    if let error {
      throw RBNError(
        .entrySizeMismatch, subject, file: path, location: entry.name, "can't be inflated: \(error)")
    }
  }
}

/// An open libzip archive.
///
/// Not for concurrent use: `ZipArchive` keeps it behind a lock, which is what makes the conformance true.
private final class LibZipHandle: @unchecked Sendable {
  private let archive: OpaquePointer
  /// Lent to libzip for an archive in memory.
  private let source: ByteSource

  init(_ source: ByteSource, subject: RBNError.Subject) throws {
    var failure = zip_error_t()
    zip_error_init(&failure)
    defer { zip_error_fini(&failure) }
    let flags = ZIP_RDONLY | ZIP_CHECKCONS
    let opened = try source.withDuplicate { descriptor -> OpaquePointer? in
      var code: Int32 = 0
      let opened = zip_fdopen(descriptor, ZIP_CHECKCONS, &code)
      if opened == nil {
        close(descriptor)
        zip_error_init_with_code(&failure, code)
      }
      return opened
    } memory: { bytes -> OpaquePointer? in
      guard let buffer = zip_source_buffer_create(bytes.baseAddress, UInt64(bytes.count), 0, &failure) else {
        return nil
      }
      let opened = zip_open_from_source(buffer, flags, &failure)
      if opened == nil { zip_source_free(buffer) }
      return opened
    }
    guard let opened else {
      throw RBNError(
        .inconsistentArchive, subject, file: source.name,
        "is not a consistent zip archive: \(String(cString: zip_error_strerror(&failure)))")
    }
    archive = opened
    self.source = source
  }

  deinit { zip_discard(archive) }

  var entryCount: Int { Int(zip_get_num_entries(archive, 0)) }

  /// Inflates an entry; what went wrong, or nil.
  func read(index: Int, into target: UnsafeMutableRawBufferPointer) -> String? {
    guard let file = zip_fopen_index(archive, UInt64(index), 0) else {
      return String(cString: zip_strerror(archive))
    }
    defer { zip_fclose(file) }
    var done = 0
    while done < target.count {
      let got = zip_fread(file, target.baseAddress.map { $0 + done }, UInt64(target.count - done))
      if got < 0 { return String(cString: zip_file_strerror(file)) }
      if got == 0 { return "it ends after \(done) bytes of \(target.count)" }
      done += Int(got)
    }
    // The read behind the last byte is the one in which libzip compares checksums.
    var beyond: UInt8 = 0
    let got = zip_fread(file, &beyond, 1)
    if got < 0 { return String(cString: zip_file_strerror(file)) }
    return got == 0 ? nil : "it holds more than \(target.count) bytes"
  }
}
