import RBNTensor

/// Representative Batch Normalization (Gao et al., CVPR 2021, sections 3.2 and 3.3) in eval mode.
///
/// Inputs: x (N, C, H, W), weight, bias, center_weight, scale_weight, scale_bias, running_mean, running_var, each with
/// C elements or absent. With m(n,c) the mean of x over H and W:
///
///     x'  = x + center_weight · m                 (without center_weight: x' = x)
///     y   = (x' − running_mean) / sqrt(running_var + eps)
///     s   = sigmoid(scale_weight · mean(y) + scale_bias)   (without scale_weight: s = 1)
///     out = weight · s · y + bias
///
/// Without running statistics the mean and biased variance of x' over N, H, W are used. Output as the input.
package struct RepresentativeBatchNorm: Operator {
  package var eps: Double

  package static let name = "rbn.representative_batch_norm.default"
  package var name: String { Self.name }

  package init(eps: Double = 1e-5) { self.eps = eps }

  package init(_ attributes: Attributes) throws {
    eps = try attributes.double("eps", default: 1e-5)
    guard eps >= 0, eps.isFinite else { throw attributes.invalid("eps", "is \(eps)") }
  }

  package var attributes: Attributes { Attributes(["eps": .double(eps)]) }

  /// The state-dict names of inputs 1 to 7.
  package static let parameterNames = [
    "weight", "bias", "center_weight", "scale_weight", "scale_bias", "running_mean", "running_var",
  ]

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try requiredImage(inputs)
    for (index, label) in Self.parameterNames.enumerated() {
      try checkPerChannel(inputs, index + 1, label, channels: x.shape[1])
    }
    guard (optional(inputs, 6) == nil) == (optional(inputs, 7) == nil) else {
      throw shapeMismatch("has only one of running_mean and running_var")
    }
    guard (optional(inputs, 4) == nil) == (optional(inputs, 5) == nil) else {
      throw shapeMismatch("has only one of scale_weight and scale_bias")
    }
    return [x]
  }
}
