import RBNTensor
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file that appears under its name complete or not at all.
///
/// The bytes go to a temporary file beside the destination, which `commit()` renames; without a commit nothing
/// is left behind.
package final class OutputFile {
  private static let counter = Atomic<Int>(0)

  /// As the caller named it.
  private let path: String
  /// Where the file goes.
  private let destination: String
  private let temporaryPath: String
  private var descriptor: Int32

  /// Creates the temporary file.
  ///
  /// A symbolic link stays, and the file that it leads to is replaced. What is no regular file, such as a device, is
  /// refused: a rename would put a file in its place.
  ///
  /// - Throws: `file.unwritable`.
  package init(path: String) throws {
    self.path = path
    let destination = try Self.destination(path)
    self.destination = destination
    let slash = destination.lastIndex(of: "/").map { destination.index(after: $0) } ?? destination.startIndex
    var name = ""
    var opened: Int32 = -1
    // A file of this name may be left of a process that was killed, so a few names are tried.
    for _ in 0..<100 where opened < 0 {
      let number = Self.counter.wrappingAdd(1, ordering: .relaxed).newValue
      name = destination[..<slash] + ".rbn-\(getpid())-\(number).partial"
      opened = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if opened < 0, errno != EEXIST { break }
    }
    self.temporaryPath = name
    self.descriptor = opened
    guard descriptor >= 0 else { throw Self.failure(path, errno) }
  }

  deinit {
    if descriptor >= 0 {
      close(descriptor)
      unlink(temporaryPath)
    }
  }

  /// Appends bytes.
  ///
  /// - Throws: `file.unwritable`.
  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      #if canImport(Darwin)
        let put = Darwin.write(descriptor, rest.baseAddress, rest.count)
      #elseif canImport(Musl)
        let put = Musl.write(descriptor, rest.baseAddress, rest.count)
      #else
        let put = Glibc.write(descriptor, rest.baseAddress, rest.count)
      #endif
      if put < 0 {
        if errno == EINTR { continue }
        throw Self.failure(path, errno)
      }
      done += put
    }
  }

  /// Puts the file in its place.
  ///
  /// - Parameter durable: whether the bytes must have reached the disk before the name does.
  /// - Throws: `file.unwritable`, and the temporary file is removed.
  package func commit(durable: Bool = false) throws {
    if durable, fsync(descriptor) != 0 { throw Self.failure(path, errno) }
    guard rename(temporaryPath, destination) == 0 else { throw Self.failure(path, errno) }
    close(descriptor)
    descriptor = -1
  }

  /// Writes a whole file.
  ///
  /// - Throws: `file.unwritable`.
  package static func write(_ bytes: [UInt8], to path: String) throws {
    let file = try OutputFile(path: path)
    try bytes.withUnsafeBytes { try file.write($0) }
    try file.commit()
  }

  /// The path with symbolic links followed.
  private static func destination(_ path: String) throws -> String {
    var status = stat()
    guard stat(path, &status) == 0 else {
      // A new file, or a link that leads nowhere yet and is replaced.
      guard errno == ENOENT else { throw failure(path, errno) }
      return path
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let kind = status.st_mode & S_IFMT == S_IFDIR ? "a directory" : "a pipe, socket or device"
      throw RBNError(
        .unwritableFile, .system, file: path, "can't be written: it is \(kind), not a regular file")
    }
    guard let resolved = realpath(path, nil) else { throw failure(path, errno) }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  private static func failure(_ path: String, _ number: Int32) -> RBNError {
    RBNError(.unwritableFile, .system, file: path, "can't be written: \(systemMessage(number))")
  }
}
