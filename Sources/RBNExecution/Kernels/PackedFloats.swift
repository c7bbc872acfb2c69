import RBNTensor

/// Floats that kernels read: aligned to 64 bytes, written once before they are shared.
final class PackedFloats: Sendable {
  private let storage: TensorStorage
  /// The first of them. Writing is for whoever made them, before anyone else has them.
  nonisolated(unsafe) let start: UnsafeMutablePointer<Float>

  /// The bytes that they take.
  var byteCount: Int { storage.bytes.count }

  /// As many zeros as the product of `sizes`.
  ///
  /// - Throws: `tensor.invalid-shape` when the product is too large, `system.out-of-memory`.
  convenience init(zeros sizes: Int...) throws {
    try self.init(uninitialized: sizes)
    storage.bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }

  /// Room for as many floats as the product of `sizes`, all of which the caller writes.
  ///
  /// - Throws: as ``init(zeros:)``.
  init(uninitialized sizes: [Int]) throws {
    storage = try TensorStorage(byteCount: try Shape(sizes).byteCount(of: .float32))
    guard let start = storage.bytes.bindMemory(to: Float.self).baseAddress else {
      throw RBNError(.outOfMemory, .system, "the machine did not give memory for packed weights")
    }
    self.start = start
  }

  /// A copy of `values`.
  ///
  /// - Throws: `system.out-of-memory`.
  convenience init(copying values: [Float]) throws {
    try self.init(zeros: values.count)
    start.update(from: values, count: values.count)
  }
}
