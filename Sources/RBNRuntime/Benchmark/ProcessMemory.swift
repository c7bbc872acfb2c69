#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What the system counts about this process.
enum ProcessMemory {
  /// The largest resident memory that the process has had so far, in bytes; nil when the system does not tell.
  static var peakResidentByteCount: Int? {
    var usage = rusage()
    #if canImport(Glibc)
      // An enumeration there, which the function takes as an integer.
      let this = Int32(RUSAGE_SELF.rawValue)
    #else
      let this = Int32(RUSAGE_SELF)
    #endif
    guard getrusage(this, &usage) == 0 else { return nil }
    // Linux counts in units of 1024 bytes, Darwin in bytes.
    #if canImport(Darwin)
      return Int(usage.ru_maxrss)
    #else
      return Int(usage.ru_maxrss) &* 1024
    #endif
  }
}
