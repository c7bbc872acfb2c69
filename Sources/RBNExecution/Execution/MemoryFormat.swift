import RBNTensor

/// The order in which a value lies in memory.
package enum MemoryFormat: String, Hashable, Sendable {
  /// Row-major in the order of the dimensions.
  case contiguous
  /// (N, H, W, C) in memory for a value of shape (N, C, H, W).
  case channelsLast

  /// The format in which the executor keeps a value of this shape.
  package init(_ shape: Shape) { self = shape.rank == 4 ? .channelsLast : .contiguous }

  /// Element strides, one a dimension of `shape`.
  package func strides(_ shape: Shape) -> [Int] {
    guard self == .channelsLast, shape.rank == 4 else { return shape.contiguousStrides }
    let (channels, height, width) = (shape[1], shape[2], shape[3])
    return [height &* width &* channels, 1, width &* channels, channels]
  }

  /// Whether the two layouts of this shape are the same bytes.
  package static func coincide(_ shape: Shape) -> Bool {
    shape.rank != 4 || shape[1] == 1 || (shape[2] == 1 && shape[3] == 1)
  }
}
