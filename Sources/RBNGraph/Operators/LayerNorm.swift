import RBNTensor

/// (x − mean) / sqrt(variance + eps) · weight + bias, with the mean and biased variance over the last dimensions.
///
/// `aten::layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, …)`.
/// Inputs: x, weight and bias of `normalizedShape` or absent.
package struct LayerNorm: Operator {
  package var normalizedShape: [Int]
  package var eps: Double

  package static let name = "aten.layer_norm.default"
  package var name: String { Self.name }

  package init(normalizedShape: [Int], eps: Double = 1e-5) {
    self.normalizedShape = normalizedShape
    self.eps = eps
  }

  package init(_ attributes: Attributes) throws {
    normalizedShape = try attributes.ints("normalized_shape", in: AttributeRange.positive)
    eps = try attributes.double("eps", default: 1e-5)
    guard !normalizedShape.isEmpty else { throw attributes.invalid("normalized_shape", "is empty") }
    guard eps >= 0, eps.isFinite else { throw attributes.invalid("eps", "is \(eps)") }
  }

  package var attributes: Attributes {
    Attributes(["normalized_shape": .ints(normalizedShape), "eps": .double(eps)])
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "input")
    guard x.shape.rank >= normalizedShape.count,
      Array(x.shape.dimensions.suffix(normalizedShape.count)) == normalizedShape
    else {
      throw shapeMismatch(
        "normalises \(Shape(normalizedShape)), which the input \(x.shape) does not end with")
    }
    for (index, label) in ["weight", "bias"].enumerated() {
      if let type = optional(inputs, index + 1), type.shape.dimensions != normalizedShape {
        throw shapeMismatch("\(label) has shape \(type.shape), not \(Shape(normalizedShape))")
      }
    }
    return [x]
  }
}
