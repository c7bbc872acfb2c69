import RBNTensor

/// Batch normalisation in eval mode.
///
/// `aten::batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool
/// training=False, float momentum, float eps, bool cudnn_enabled)`. Inputs in that order; without running statistics
/// (`track_running_stats=False`) the batch's own mean and biased variance over N, H, W are used. Output as the input.
package struct BatchNorm: Operator {
  package var eps: Double

  package static let name = "aten.batch_norm.default"
  package var name: String { Self.name }

  package init(eps: Double = 1e-5) { self.eps = eps }

  package init(_ attributes: Attributes) throws {
    eps = try attributes.double("eps", default: 1e-5)
    guard eps >= 0, eps.isFinite else { throw attributes.invalid("eps", "is \(eps)") }
  }

  package var attributes: Attributes { Attributes(["eps": .double(eps)]) }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "input")
    guard x.shape.rank >= 2 else { throw shapeMismatch("needs an input of shape (N, C, …), got \(x.shape)") }
    for (index, label) in ["weight", "bias", "running_mean", "running_var"].enumerated() {
      try checkPerChannel(inputs, index + 1, label, channels: x.shape[1])
    }
    guard (optional(inputs, 3) == nil) == (optional(inputs, 4) == nil) else {
      throw shapeMismatch("has only one of running_mean and running_var")
    }
    return [x]
  }
}
