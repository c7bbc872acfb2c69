import RBNTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Reading a whole file of bounded size.
enum ImageFile {
  /// The bytes of the regular file at `path`.
  ///
  /// - Throws: `image.unreadable`, `image.file-too-large`.
  static func read(_ path: String, limit: Int) throws -> [UInt8] {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw unreadable(path, "an empty path or one with a zero byte names no file")
    }
    // Not blocking: opening a pipe that nobody writes to would wait for ever.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw unreadable(path, "can't be opened: \(reason())") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw unreadable(path, "can't be examined: \(reason())") }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw unreadable(path, "is a directory, not an image")
    default: throw unreadable(path, "is a pipe, socket or device, not a regular file")
    }
    let size = Int(status.st_size)
    guard size <= limit else {
      throw RBNError(
        .imageFileTooLarge, .input, file: path, "has \(size) bytes; the limit is \(limit)",
        advice: "raise maximumFileByteCount if the image can be trusted")
    }
    return try readAll(descriptor, path: path, size: size)
  }

  /// The file may have shrunk since its size was taken; it is never read beyond that size.
  private static func readAll(_ descriptor: CInt, path: String, size: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: size)
    var filled = 0
    while filled < size {
      let count = bytes.withUnsafeMutableBytes { systemRead(descriptor, $0[filled...]) }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw unreadable(path, "can't be read: \(reason())") }
      if count == 0 { break }
      filled += count
    }
    bytes.removeLast(size - filled)
    return bytes
  }

  private static func unreadable(_ path: String, _ message: String) -> RBNError {
    RBNError(.imageUnreadable, .input, file: path, message)
  }

  private static func reason() -> String { String(cString: strerror(errno)) }
}

/// `read(2)`, under a name that the enum's own `read` does not hide.
private func systemRead(_ descriptor: CInt, _ buffer: Slice<UnsafeMutableRawBufferPointer>) -> Int {
  let target = UnsafeMutableRawBufferPointer(rebasing: buffer)
  return read(descriptor, target.baseAddress, target.count)
}
