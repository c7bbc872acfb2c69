import RBNTensor

/// exp(x) / Σ exp(x) along one dimension. `aten::softmax.int(Tensor self, int dim, ScalarType? dtype=None)`.
package struct Softmax: Operator {
  package var dim: Int

  package static let name = "aten.softmax.int"
  package var name: String { Self.name }

  package init(dim: Int) { self.dim = dim }
  package init(_ attributes: Attributes) throws { dim = try attributes.int("dim", in: AttributeRange.axis) }
  package var attributes: Attributes { Attributes(["dim": .int(dim)]) }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "self")
    _ = try axis(dim, rank: x.shape.rank)
    return [x]
  }
}
