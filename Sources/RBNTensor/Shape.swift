/// The sizes of a tensor's dimensions, outermost first: (N, C, H, W) for a batch of images.
///
/// A `Shape` by itself is only a list of numbers; ``elementCount()`` and ``byteCount(of:)`` check it.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
  /// The sizes, outermost first.
  public var dimensions: [Int]

  /// Makes a shape from its dimensions.
  public init(_ dimensions: [Int]) { self.dimensions = dimensions }

  /// Makes a shape from its dimensions.
  public init(arrayLiteral elements: Int...) { self.dimensions = elements }

  /// The number of dimensions; 0 for a scalar.
  public var rank: Int { dimensions.count }

  /// `(1, 3, 224, 224)`.
  public var description: String {
    dimensions.count == 1
      ? "(\(dimensions[0]),)" : "(" + dimensions.map(String.init).joined(separator: ", ") + ")"
  }

  /// The product of the dimensions (1 for a scalar).
  ///
  /// - Throws: `tensor.invalid-shape` when a dimension is negative or the product exceeds `Int.max`.
  public func elementCount() throws -> Int {
    var count = 1
    for dimension in dimensions {
      let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
      guard dimension >= 0, !overflow else { throw invalid() }
      count = product
    }
    // A zero may hide an overflow of the other dimensions from readers that multiply in another order.
    if count == 0 { _ = try Shape(dimensions.filter { $0 != 0 }).elementCount() }
    return count
  }

  /// The number of bytes of a contiguous tensor of this shape.
  ///
  /// - Throws: `tensor.invalid-shape` when a dimension is negative or the size exceeds `Int.max`.
  public func byteCount(of dtype: DType) throws -> Int {
    let (bytes, overflow) = try elementCount().multipliedReportingOverflow(by: dtype.byteSize)
    guard !overflow else { throw invalid() }
    return bytes
  }

  private func invalid() -> RBNError {
    RBNError(.invalidShape, .input, "the shape \(self) is not the shape of any tensor")
  }
}

extension Shape: RandomAccessCollection {
  /// 0.
  public var startIndex: Int { 0 }
  /// The rank.
  public var endIndex: Int { dimensions.count }
  /// The size of one dimension.
  public subscript(position: Int) -> Int { dimensions[position] }
}

extension Shape {
  /// Element strides of a contiguous row-major tensor of this shape. The shape must have passed ``elementCount()``.
  package var contiguousStrides: [Int] {
    var strides = [Int](repeating: 1, count: rank)
    var step = 1
    for axis in dimensions.indices.reversed() {
      strides[axis] = step
      step &*= Swift.max(dimensions[axis], 1)
    }
    return strides
  }
}
