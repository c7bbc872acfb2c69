import RBNTensor

/// Reverses the order of the elements along dimensions. `aten::flip(Tensor self, int[] dims)`.
package struct Flip: Operator {
  package var dims: [Int]

  package static let name = "aten.flip.default"
  package var name: String { Self.name }

  package init(dims: [Int]) { self.dims = dims }
  package init(_ attributes: Attributes) throws {
    dims = try attributes.ints("dims", in: AttributeRange.axis)
  }
  package var attributes: Attributes { Attributes(["dims": .ints(dims)]) }

  /// The dimensions reversed, none negative.
  package func axes(rank: Int) throws -> Set<Int> {
    let axes = try dims.map { try axis($0, rank: rank) }
    guard Set(axes).count == axes.count else { throw shapeMismatch("a dimension appears twice in \(dims)") }
    return Set(axes)
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "self")
    _ = try axes(rank: x.shape.rank)
    return [x]
  }
}
