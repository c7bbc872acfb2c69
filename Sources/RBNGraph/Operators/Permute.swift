import RBNTensor

/// Reorders dimensions: dimension i of the output is dimension `dims[i]` of the input.
///
/// `aten::permute(Tensor self, int[] dims)`; `transpose.int` is imported as this one.
package struct Permute: Operator {
  package var dims: [Int]

  package static let name = "aten.permute.default"
  package var name: String { Self.name }

  package init(dims: [Int]) { self.dims = dims }
  package init(_ attributes: Attributes) throws {
    dims = try attributes.ints("dims", in: AttributeRange.axis)
  }
  package var attributes: Attributes { Attributes(["dims": .ints(dims)]) }

  /// `dims` with negative values wrapped.
  package func order(rank: Int) throws -> [Int] {
    let order = try dims.map { try axis($0, rank: rank) }
    guard order.count == rank, Set(order).count == rank else {
      throw shapeMismatch("\(dims) is not an order of the dimensions of a tensor of rank \(rank)")
    }
    return order
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "self")
    return [TensorType(Shape(try order(rank: x.shape.rank).map { x.shape[$0] }), x.dtype)]
  }
}
