#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A block of bytes that tensors share: allocated here, or lent by an owner such as a mapped file.
///
/// The bytes are written only before the first `Tensor` is made of them and never after, which makes sharing
/// them between tasks safe.
package final class TensorStorage: @unchecked Sendable {
  /// Alignment of allocated storage, in bytes: a cache line, and the widest vector.
  package static let alignment = 64

  package let bytes: UnsafeMutableRawBufferPointer
  private let owner: AnyObject?

  /// Allocates `byteCount` bytes, aligned to ``alignment``, not initialised.
  ///
  /// - Throws: `system.out-of-memory`.
  package init(byteCount: Int) throws {
    var pointer: UnsafeMutableRawPointer?
    guard byteCount >= 0, posix_memalign(&pointer, Self.alignment, max(byteCount, 1)) == 0, let pointer else {
      throw RBNError(.outOfMemory, .system, "the machine did not give \(byteCount) bytes of memory")
    }
    bytes = UnsafeMutableRawBufferPointer(start: pointer, count: byteCount)
    owner = nil
  }

  /// Borrows bytes that `owner` keeps alive and nobody writes.
  package init(borrowing bytes: UnsafeRawBufferPointer, owner: AnyObject) {
    self.bytes = UnsafeMutableRawBufferPointer(mutating: bytes)
    self.owner = owner
  }

  deinit {
    if owner == nil { free(bytes.baseAddress) }
  }
}
