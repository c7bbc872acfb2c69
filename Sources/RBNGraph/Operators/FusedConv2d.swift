import RBNTensor

/// Activation(affine(conv2d(x)) + residual): what fusion makes of a convolution and what follows it. Never written to
/// bundles.
///
/// Inputs: x, weight, bias or absent, residual of the output's shape or absent, coefficients of the affine map (8, C) float64
/// or absent.
package struct FusedConv2d: Operator {
  package var conv: Conv2d
  /// The per-instance affine map of the convolution's result, without an activation of its own; `nil` for none.
  package var affine: InstanceAffine?
  /// Applied last; `nil` for none.
  package var activation: Unary.Function?

  package static let name = "fused.conv2d"
  package var name: String { Self.name }

  package init(_ conv: Conv2d, affine: InstanceAffine? = nil, activation: Unary.Function? = nil) {
    self.conv = conv
    self.affine = affine
    self.activation = activation
  }

  package var attributes: Attributes {
    var attributes = conv.attributes
    if let affine {
      for entry in affine.attributes.entries { attributes.set(entry.name, entry.value) }
    }
    if let activation {
      attributes.set("activation", .string(Unary(activation).name))
      for entry in Unary(activation).attributes.entries { attributes.set(entry.name, entry.value) }
    }
    return attributes
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let output = try conv.inferTypes(inputs)
    if let residual = optional(inputs, 3), residual != output[0] {
      throw shapeMismatch("the residual has shape \(residual.shape), the output \(output[0].shape)")
    }
    if let affine { _ = try affine.inferTypes([output[0], try required(inputs, 4, "coefficients")]) }
    return output
  }
}
