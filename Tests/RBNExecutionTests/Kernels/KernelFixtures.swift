import RBNTensor
import Testing

@testable import RBNExecution

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Floats that end where an unreadable page begins, with a known pattern before them: a read or write beyond the end
/// faults, a write before the start is found by ``checkGuard()``.
final class GuardedFloats {
  let start: UnsafeMutablePointer<Float>
  let count: Int
  private let base: UnsafeMutableRawPointer
  private let byteCount: Int
  private static let pattern: UInt8 = 0xA5

  init(_ count: Int) throws {
    self.count = count
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let body = (count * 4 + page - 1) / page * page + page
    byteCount = body + page
    let mapped = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    base = try #require(mapped)
    try #require(base != MAP_FAILED)
    memset(base, Int32(Self.pattern), body)
    try #require(mprotect(base + body, page, PROT_NONE) == 0)
    start = (base + body - count * 4).bindMemory(to: Float.self, capacity: count)
  }

  convenience init(_ values: [Float]) throws {
    try self.init(values.count)
    start.update(from: values, count: values.count)
  }

  deinit { munmap(base, byteCount) }

  var values: [Float] { Array(UnsafeBufferPointer(start: start, count: count)) }

  /// Whether nothing was written before the start.
  var isGuardIntact: Bool {
    UnsafeRawBufferPointer(start: base, count: UnsafeRawPointer(start) - UnsafeRawPointer(base))
      .allSatisfy { $0 == Self.pattern }
  }
}

/// Numbers in -1 ..< 1, the same in every run.
struct Numbers {
  private var state: UInt64

  init(seed: Int) { state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

  mutating func next() -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(Int32(truncatingIfNeeded: state >> 32)) / 2_147_483_648
  }

  mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in next() } }
}

/// Calls `body` with scratch memory aligned as kernels want it.
func withScratch<R>(_ byteCount: Int, _ body: (UnsafeMutableRawPointer) throws -> R) throws -> R {
  let storage = try TensorStorage(byteCount: max(byteCount, 64))
  return try withExtendedLifetime(storage) { try body(try #require(storage.bytes.baseAddress)) }
}

/// Relative spacing of floats: an operation errs by at most half of it.
let epsilon = Double(Float.ulpOfOne)

/// Compares with bounds of their own for every element; says where the worst is.
func expectClose(
  _ actual: [Float], _ expected: [Double], within bounds: [Double], _ label: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(actual.count == expected.count, "\(label)", sourceLocation: sourceLocation)
  var worst: (index: Int, ratio: Double)?
  for i in 0..<min(actual.count, expected.count) {
    let error = abs(Double(actual[i]) - expected[i])
    let ratio = error == 0 ? 0 : error.isNaN ? .infinity : error / bounds[i]
    if ratio > (worst?.ratio ?? 1) { worst = (i, ratio) }
  }
  if let worst {
    let i = worst.index
    Issue.record(
      "\(label): element \(i) is \(actual[i]), not \(expected[i]) within \(bounds[i])",
      sourceLocation: sourceLocation)
  }
}
