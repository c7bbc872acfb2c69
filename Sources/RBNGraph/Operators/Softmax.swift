import RBNTensor

/// exp(x) / Σ exp(x) along one dimension. `aten::softmax.int(Tensor self, int dim, ScalarType? dtype=None)`.
///
/// Where every element is −∞ that is 0/0, NaN; `aten::_safe_softmax` is this one with zeros there.
package struct Softmax: Operator {
  package var dim: Int
  /// Whether elements that are all −∞ give zeros.
  package var isSafe: Bool

  package static let name = "aten.softmax.int"
  package var name: String { Self.name }

  package init(dim: Int, isSafe: Bool = false) {
    self.dim = dim
    self.isSafe = isSafe
  }

  package init(_ attributes: Attributes) throws {
    dim = try attributes.int("dim", in: AttributeRange.axis)
    isSafe = try attributes.bool("safe", default: false)
  }

  package var attributes: Attributes {
    var attributes = Attributes(["dim": .int(dim)])
    if isSafe { attributes.set("safe", .bool(true)) }
    return attributes
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "self")
    _ = try axis(dim, rank: x.shape.rank)
    return [x]
  }
}
