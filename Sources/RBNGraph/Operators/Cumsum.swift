import RBNTensor

/// The sums of the elements so far along one dimension. `aten::cumsum(Tensor self, int dim, *, ScalarType? dtype=None)`.
package struct Cumsum: Operator {
  package var dim: Int

  package static let name = "aten.cumsum.default"
  package var name: String { Self.name }

  package init(dim: Int) { self.dim = dim }
  package init(_ attributes: Attributes) throws { dim = try attributes.int("dim", in: AttributeRange.axis) }
  package var attributes: Attributes { Attributes(["dim": .int(dim)]) }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "self")
    _ = try axis(dim, rank: x.shape.rank)
    return [TensorType(x.shape, x.dtype.isFloatingPoint ? x.dtype : .int64)]
  }
}
