import RBNTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Bytes that can be read at any position: those of a file, or a block of memory.
///
/// Files are read with `pread` into memory of our own and never mapped: a mapped file that another process
/// shortens kills its reader with SIGBUS, and one that is overwritten changes under tensors that were checked.
package final class ByteSource: Sendable {
  /// The signature of `pread`: descriptor, target, count, offset; the bytes read, or -1 and `errno`.
  package typealias PositionedRead = @Sendable (Int32, UnsafeMutableRawPointer?, Int, Int) -> Int

  private enum Content: Sendable {
    case file(descriptor: Int32)
    case memory(TensorStorage)
  }

  /// The number of bytes, as it was when the source was opened.
  package let byteCount: Int
  /// The path of a file, as the caller gave it; nil for memory.
  package let name: String?
  private let content: Content
  private let pread: PositionedRead
  private let subject: RBNError.Subject

  /// Opens a regular file.
  ///
  /// - Parameter pread: Stands in for the system's, for tests of what it may do.
  /// - Throws: `file.unreadable` when it does not exist, may not be read, or is no regular file.
  package init(
    path: String, subject: RBNError.Subject, pread: @escaping PositionedRead = systemPositionedRead
  ) throws {
    // O_NONBLOCK: opening a named pipe must fail below, not wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw RBNError(.unreadableFile, subject, file: path, "can't be opened: \(systemMessage(errno))")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw RBNError(.unreadableFile, subject, file: path, "is not a regular file")
    }
    self.byteCount = Int(status.st_size)
    self.name = path
    self.content = .file(descriptor: descriptor)
    self.pread = pread
    self.subject = subject
  }

  /// Reads from memory.
  package init(_ storage: TensorStorage, subject: RBNError.Subject) {
    self.byteCount = storage.bytes.count
    self.name = nil
    self.content = .memory(storage)
    self.pread = systemPositionedRead
    self.subject = subject
  }

  deinit {
    if case .file(let descriptor) = content { close(descriptor) }
  }

  /// Hands a second descriptor of the file, which the callee owns, or the bytes in memory to one of two callees.
  func withDuplicate<Result>(
    file: (Int32) throws -> Result, memory: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    switch content {
    case .file(let descriptor):
      let duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
      guard duplicate >= 0 else { throw unreadable(systemMessage(errno)) }
      return try file(duplicate)
    case .memory(let storage):
      return try memory(UnsafeRawBufferPointer(storage.bytes))
    }
  }

  /// Fills `target` with the bytes from `offset` on.
  ///
  /// - Throws: `archive.truncated` when the file has become shorter since, `file.unreadable`.
  package func read(at offset: Int, into target: UnsafeMutableRawBufferPointer) throws {
    try checkRange(offset, target.count)
    switch content {
    case .memory(let storage):
      let source = UnsafeRawBufferPointer(rebasing: storage.bytes[offset..<(offset + target.count)])
      if !source.isEmpty { target.copyMemory(from: source) }
    case .file(let descriptor):
      var done = 0
      while done < target.count {
        let rest = UnsafeMutableRawBufferPointer(rebasing: target[done...])
        let got = pread(descriptor, rest.baseAddress, rest.count, offset + done)
        if got < 0 {
          if errno == EINTR { continue }
          throw unreadable(systemMessage(errno))
        }
        guard got > 0 else { throw ended(at: offset, wanting: target.count) }
        done += got
      }
    }
  }

  /// The bytes from `offset` on, as an array.
  ///
  /// - Throws: as ``read(at:into:)``.
  package func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    try checkRange(offset, count)
    return try [UInt8](count: count) { try read(at: offset, into: UnsafeMutableRawBufferPointer($0)) }
  }

  /// The bytes from `offset` on, as storage for tensors.
  ///
  /// - Throws: as ``read(at:into:)``, `system.out-of-memory`.
  package func storage(at offset: Int, count: Int) throws -> TensorStorage {
    try checkRange(offset, count)
    let storage = try TensorStorage(byteCount: count)
    try read(at: offset, into: storage.bytes)
    return storage
  }

  private func checkRange(_ offset: Int, _ count: Int) throws {
    guard offset >= 0, offset <= byteCount, count >= 0, count <= byteCount - offset else {
      throw ended(at: offset, wanting: count)
    }
  }

  private func ended(at offset: Int, wanting count: Int) -> RBNError {
    RBNError(
      .truncatedArchive, subject, file: name,
      "ends at byte \(byteCount) or before, and should have \(count) bytes at byte \(offset)",
      advice: "copy or download the file again")
  }

  private func unreadable(_ reason: String) -> RBNError {
    RBNError(.unreadableFile, subject, file: name, "can't be read: \(reason)")
  }
}

/// `pread` of the system.
package let systemPositionedRead: ByteSource.PositionedRead = { descriptor, target, count, offset in
  pread(descriptor, target, count, off_t(offset))
}

/// The system's text for an error number.
package func systemMessage(_ number: Int32) -> String {
  strerror(number).map { String(cString: $0) } ?? "error \(number)"
}
