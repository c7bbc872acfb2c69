/// An immutable, contiguous, row-major array of numbers.
///
/// Tensors share their storage when copied. Images are (N, C, H, W), as in PyTorch.
public struct Tensor: Sendable {
  /// The sizes of the dimensions, outermost first.
  public let shape: Shape
  /// The type of the elements.
  public let dtype: DType
  /// The number of elements.
  public let count: Int

  package let storage: TensorStorage
  package let byteOffset: Int

  /// The size of the elements together, in bytes.
  public var byteCount: Int { count * dtype.byteSize }

  /// Makes a tensor of bytes that exist already.
  ///
  /// - Throws: `tensor.invalid-shape`; `tensor.size-mismatch` when the storage ends before the tensor does.
  package init(shape: Shape, dtype: DType, storage: TensorStorage, byteOffset: Int = 0) throws {
    let byteCount = try shape.byteCount(of: dtype)
    guard byteOffset >= 0, byteOffset <= storage.bytes.count, byteCount <= storage.bytes.count - byteOffset
    else {
      throw RBNError(
        .sizeMismatch, .input,
        "a \(dtype) tensor of shape \(shape) at byte \(byteOffset) does not fit in \(storage.bytes.count) bytes"
      )
    }
    self.shape = shape
    self.dtype = dtype
    self.count = byteCount / dtype.byteSize
    self.storage = storage
    self.byteOffset = byteOffset
  }

  /// Allocates a tensor and lets `body` write its bytes, all of them.
  ///
  /// - Throws: `tensor.invalid-shape`, `system.out-of-memory`, and what `body` throws.
  public init(
    shape: Shape, dtype: DType = .float32,
    initializingBytesWith body: (UnsafeMutableRawBufferPointer) throws -> Void
  ) throws {
    let storage = try TensorStorage(byteCount: try shape.byteCount(of: dtype))
    try body(storage.bytes)
    try self.init(shape: shape, dtype: dtype, storage: storage)
  }

  /// A float32 tensor of the given scalars, in row-major order.
  ///
  /// - Throws: `tensor.size-mismatch` when their number is not the shape's, `tensor.invalid-shape`.
  public init(shape: Shape, scalars: [Float]) throws {
    let needed = try shape.elementCount()
    guard needed == scalars.count else {
      throw RBNError(
        .sizeMismatch, .input,
        "\(scalars.count) scalars were given for the shape \(shape), which has \(needed)")
    }
    try self.init(shape: shape, dtype: .float32) { bytes in
      scalars.withUnsafeBytes { bytes.copyMemory(from: $0) }
    }
  }

  /// A tensor of zeros.
  public static func zeros(_ shape: Shape, dtype: DType = .float32) throws -> Tensor {
    try Tensor(shape: shape, dtype: dtype) { bytes in
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }
  }

  /// Calls `body` with the elements' bytes, row-major, little-endian.
  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(storage) {
      try body(UnsafeRawBufferPointer(rebasing: storage.bytes[byteOffset..<(byteOffset + byteCount)]))
    }
  }

  /// The same elements under another shape.
  ///
  /// - Throws: `tensor.size-mismatch` when the shapes differ in their number of elements.
  public func reshaped(to newShape: Shape) throws -> Tensor {
    guard try newShape.elementCount() == count else {
      throw RBNError(.sizeMismatch, .input, "a tensor of shape \(shape) can't be reshaped to \(newShape)")
    }
    return try Tensor(shape: newShape, dtype: dtype, storage: storage, byteOffset: byteOffset)
  }
}

extension Tensor: CustomStringConvertible {
  /// `float32 (1, 3, 224, 224)`.
  public var description: String { "\(dtype) \(shape)" }
}
