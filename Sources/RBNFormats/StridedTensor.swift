import RBNTensor

extension RBNError.Code {
  /// A view (offset, shape, strides) that reaches outside its storage, or that no tensor can have.
  package static let invalidView = Self("tensor.invalid-view")
  /// A view that repeats so few bytes so often that the result would exceed the limit on memory.
  package static let oversizedView = Self("tensor.oversized-view")
}

/// Views of a storage by offset, shape and strides, as PyTorch describes them, made into contiguous tensors.
package enum StridedTensor {
  /// The largest rank accepted: PyTorch's own limit.
  package static let maximumRank = 64

  /// Bytes that a view may take beyond those of its storage, unless the caller says otherwise.
  package static let defaultLimit = 1 << 31

  /// The contiguous row-major tensor that a strided view of a storage shows.
  ///
  /// A view that is already contiguous borrows the storage; every other one is copied. The strides of
  /// dimensions of size 1 don't matter, nor does any stride or the offset's place of an empty tensor.
  ///
  /// - Parameters:
  ///   - storage: the bytes, little-endian unless `swappingBytes`.
  ///   - offset: the first element, counted in elements.
  ///   - strides: one for each dimension, in elements; 0 repeats an element, negative ones are refused.
  ///   - swappingBytes: whether the storage is big-endian.
  ///   - limit: the most bytes that the result may take where it takes more than the storage has. A caller
  ///     that makes many views of one file lowers it by what it spent.
  /// - Throws: `tensor.invalid-view`, `tensor.oversized-view`, `tensor.invalid-shape`, `system.out-of-memory`.
  /// - Complexity: O(count), O(1) for a contiguous view that needs no swap.
  package static func materialise(
    storage: TensorStorage, dtype: DType, offset: Int, shape: [Int], strides: [Int],
    swappingBytes: Bool = false, limit: Int = defaultLimit
  ) throws -> Tensor {
    guard shape.count == strides.count, shape.count <= maximumRank, offset >= 0 else {
      throw invalid(offset: offset, shape: shape, strides: strides, "no tensor has such a view")
    }
    let tensorShape = Shape(shape)
    let byteCount = try tensorShape.byteCount(of: dtype)
    if byteCount == 0 { return try Tensor(shape: tensorShape, dtype: dtype) { _ in } }
    let itemSize = dtype.byteSize
    let available = storage.bytes.count / itemSize
    guard let last = lastElement(offset: offset, shape: shape, strides: strides), last < available else {
      throw invalid(
        offset: offset, shape: shape, strides: strides,
        "it reaches outside its storage of \(storage.bytes.count) bytes")
    }
    if isContiguous(shape: shape, strides: strides), !(swappingBytes && itemSize > 1) {
      return try Tensor(shape: tensorShape, dtype: dtype, storage: storage, byteOffset: offset * itemSize)
    }
    guard byteCount <= storage.bytes.count || byteCount <= limit else {
      throw RBNError(
        .oversizedView, .model,
        "a view of shape \(tensorShape) repeats \(storage.bytes.count) bytes into \(byteCount), "
          + "over the limit of \(max(limit, 0))",
        advice:
          "save the tensor with .clone() or .contiguous(), or check that the file is what it claims to be")
    }
    return try withExtendedLifetime(storage) {
      let source = UnsafeRawBufferPointer(storage.bytes)
      return try Tensor(shape: tensorShape, dtype: dtype) { target in
        let walk = Walk(offset: offset, shape: shape, strides: strides)
        switch itemSize {
        case 1: walk.copy(UInt8.self, from: source, to: target, swapping: false)
        case 2: walk.copy(UInt16.self, from: source, to: target, swapping: swappingBytes)
        case 4: walk.copy(UInt32.self, from: source, to: target, swapping: swappingBytes)
        default: walk.copy(UInt64.self, from: source, to: target, swapping: swappingBytes)
        }
      }
    }
  }

  /// Whether the elements of a view lie one after another in row-major order.
  package static func isContiguous(shape: [Int], strides: [Int]) -> Bool {
    zip(zip(shape, strides), Shape(shape).contiguousStrides).allSatisfy { dimension, expected in
      dimension.0 == 1 || dimension.1 == expected
    }
  }

  /// The index of the last element that a view without empty dimensions reads; nil when no `Int` holds it or
  /// a stride that matters is negative.
  private static func lastElement(offset: Int, shape: [Int], strides: [Int]) -> Int? {
    var last = offset
    for (size, stride) in zip(shape, strides) where size > 1 {
      guard stride >= 0 else { return nil }
      let (extent, tooFar) = stride.multipliedReportingOverflow(by: size - 1)
      let (sum, beyond) = last.addingReportingOverflow(extent)
      guard !tooFar, !beyond else { return nil }
      last = sum
    }
    return last
  }

  private static func invalid(offset: Int, shape: [Int], strides: [Int], _ reason: String) -> RBNError {
    RBNError(
      .invalidView, .model,
      "the view at element \(offset) of shape \(Shape(shape)) with strides \(Shape(strides)): \(reason)")
  }
}

/// The row-major walk over the elements of a view whose bounds have been checked.
private struct Walk {
  let offset: Int
  let shape: [Int]
  let strides: [Int]

  func copy<Element: FixedWidthInteger & BitwiseCopyable>(
    _ type: Element.Type, from source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer,
    swapping: Bool
  ) {
    let itemSize = MemoryLayout<Element>.size
    let innerSize = shape.last ?? 1
    let innerStride = strides.last ?? 0
    let outer = max(shape.count - 1, 0)
    var index = [Int](repeating: 0, count: outer)
    var start = offset
    var written = 0
    while written < target.count {
      var position = start
      for _ in 0..<innerSize {
        let value = source.loadUnaligned(fromByteOffset: position &* itemSize, as: type)
        target.storeBytes(of: swapping ? value.byteSwapped : value, toByteOffset: written, as: type)
        // The step past the last element of a row may leave the storage, and is never read.
        position &+= innerStride
        written &+= itemSize
      }
      var axis = outer - 1
      while axis >= 0 {
        index[axis] += 1
        start &+= strides[axis]
        if index[axis] < shape[axis] { break }
        start &-= strides[axis] &* shape[axis]
        index[axis] = 0
        axis -= 1
      }
      if axis < 0 { return }
    }
  }
}
