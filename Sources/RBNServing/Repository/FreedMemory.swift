#if Serving
import Dispatch

#if canImport(Glibc)
import Glibc
#endif

/// Memory that was freed and that the allocator keeps: glibc gives large blocks back only when asked.
enum FreedMemory {
  #if canImport(Glibc)
  private typealias Trim = @convention(c) (Int) -> Int32

  /// `malloc_trim`, which Swift's view of glibc lacks.
  private static let trim: Trim? = dlsym(dlopen(nil, RTLD_NOW), "malloc_trim").map {
    unsafeBitCast($0, to: Trim.self)
  }
  #endif

  /// Gives what is free back to the system.
  static func giveBack() {
    #if canImport(Glibc)
    _ = trim?(0)
    #endif
  }

  /// Does so when what is being freed now will have been freed.
  static func giveBack(after delay: DispatchTimeInterval) {
    DispatchQueue.global().asyncAfter(deadline: .now() + delay) { giveBack() }
  }
}
#endif
