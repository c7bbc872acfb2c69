import RBNTensor

/// x · weightᵀ + bias over the last dimension.
///
/// `aten::linear(Tensor input, Tensor weight, Tensor? bias=None)`. Inputs: x (…, I), weight (O, I), bias (O) or absent.
/// Output (…, O).
package struct Linear: Operator {
  package static let name = "aten.linear.default"
  package var name: String { Self.name }

  package init() {}
  package init(_ attributes: Attributes) throws {}
  package var attributes: Attributes { Attributes() }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "input")
    let weight = try required(inputs, 1, "weight").shape
    guard x.shape.rank >= 1, weight.rank == 2, x.shape[x.shape.rank - 1] == weight[1] else {
      throw shapeMismatch("a weight of shape \(weight) does not fit an input of shape \(x.shape)")
    }
    if let bias = optional(inputs, 2), bias.shape.dimensions != [weight[0]] {
      throw shapeMismatch("bias has shape \(bias.shape), the weight \(weight)")
    }
    return [TensorType(Shape(x.shape.dimensions.dropLast() + [weight[0]]), x.dtype)]
  }
}
