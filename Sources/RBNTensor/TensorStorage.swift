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

  /// Blocks of at least this many bytes ask for pages of this size.
  private static let hugePage = 2 << 20

  package let bytes: UnsafeMutableRawBufferPointer
  private let owner: AnyObject?

  /// Allocates `byteCount` bytes, aligned to ``alignment``, not initialised.
  ///
  /// - Throws: `system.out-of-memory`.
  package init(byteCount: Int) throws {
    var pointer: UnsafeMutableRawPointer?
    let alignment = byteCount >= Self.hugePage ? Self.hugePage : Self.alignment
    guard byteCount >= 0, posix_memalign(&pointer, alignment, max(byteCount, 1)) == 0, let pointer else {
      throw RBNError(.outOfMemory, .system, "the machine did not give \(byteCount) bytes of memory")
    }
    #if os(Linux)
      // Weights are read from end to end in every call: with small pages that is a walk of the page table each 4 KiB.
      if byteCount >= Self.hugePage {
        madvise(pointer, byteCount / Self.hugePage * Self.hugePage, MADV_HUGEPAGE)
      }
    #endif
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
