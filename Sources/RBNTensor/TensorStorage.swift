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

  /// A number of bytes rounded up to a multiple of ``alignment``.
  package static func aligned(_ byteCount: Int) -> Int {
    (byteCount + alignment - 1) / alignment * alignment
  }

  package let bytes: UnsafeMutableRawBufferPointer
  private let memory: Memory

  private enum Memory {
    case heap
    case pages(Pages)
    case borrowed(AnyObject)
  }

  /// Allocates `byteCount` bytes, aligned to ``alignment``, not initialised.
  ///
  /// - Throws: `system.out-of-memory`.
  package init(byteCount: Int) throws {
    if byteCount >= Pages.size, let pages = Pages(byteCount: byteCount) {
      bytes = UnsafeMutableRawBufferPointer(start: pages.start, count: byteCount)
      memory = .pages(pages)
      return
    }
    var pointer: UnsafeMutableRawPointer?
    guard byteCount >= 0, posix_memalign(&pointer, Self.alignment, max(byteCount, 1)) == 0, let pointer else {
      throw RBNError(.outOfMemory, .system, "the machine did not give \(byteCount) bytes of memory")
    }
    bytes = UnsafeMutableRawBufferPointer(start: pointer, count: byteCount)
    memory = .heap
  }

  /// Borrows bytes that `owner` keeps alive and nobody writes.
  package init(borrowing bytes: UnsafeRawBufferPointer, owner: AnyObject) {
    self.bytes = UnsafeMutableRawBufferPointer(mutating: bytes)
    memory = .borrowed(owner)
  }

  deinit {
    switch memory {
    case .heap: free(bytes.baseAddress)
    case .pages(let pages): pages.unmap()
    case .borrowed: break
    }
  }

  /// Memory of its own from the system: it goes back when the storage does, where an allocator might keep it, and lies
  /// on large pages where there are some. Weights are read from end to end in every call: with small pages that is a
  /// walk of the page table each 4 KiB.
  private struct Pages {
    let start: UnsafeMutableRawPointer
    private let mappedByteCount: Int

    /// The size and alignment of a large page.
    static let size = 2 << 20

    init?(byteCount: Int) {
      let (rounded, overflow) = byteCount.addingReportingOverflow(2 * Self.size)
      guard !overflow else { return nil }
      let whole = rounded / Self.size * Self.size
      let mapped = mmap(nil, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
      guard let mapped, mapped != MAP_FAILED else { return nil }
      // What lies before the first large page and behind the last is given back.
      let before = (Self.size - Int(bitPattern: mapped) % Self.size) % Self.size
      let used = (byteCount + Self.pageByteCount - 1) / Self.pageByteCount * Self.pageByteCount
      if before > 0 { munmap(mapped, before) }
      munmap(mapped + before + used, whole - before - used)
      start = mapped + before
      mappedByteCount = used
      #if os(Linux)
        madvise(start, byteCount / Self.size * Self.size, MADV_HUGEPAGE)
      #endif
    }

    func unmap() { munmap(start, mappedByteCount) }

    private static let pageByteCount = Int(sysconf(Int32(_SC_PAGESIZE)))
  }
}
