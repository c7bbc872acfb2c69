import RBNTensor

/// (x − mean) / sqrt(variance + eps) · weight + bias, with the mean and biased variance over each instance's groups of
/// channels and all positions.
///
/// `aten::group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool
/// cudnn_enabled=True)`; `instance_norm` is this one with a group for each channel. Inputs: x (N, C, …), weight and bias with C
/// elements or absent.
package struct GroupNorm: Operator {
  package var groups: Int
  package var eps: Double

  package static let name = "aten.group_norm.default"
  package var name: String { Self.name }

  package init(groups: Int, eps: Double = 1e-5) {
    self.groups = groups
    self.eps = eps
  }

  package init(_ attributes: Attributes) throws {
    groups = try attributes.int("num_groups", in: AttributeRange.positive)
    eps = try attributes.double("eps", default: 1e-5)
    guard eps >= 0, eps.isFinite else { throw attributes.invalid("eps", "is \(eps)") }
  }

  package var attributes: Attributes { Attributes(["num_groups": .int(groups), "eps": .double(eps)]) }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "input")
    guard x.shape.rank >= 2, x.shape[1] % groups == 0 else {
      throw shapeMismatch("can't group the channels of \(x.shape) by \(groups)")
    }
    for (index, label) in ["weight", "bias"].enumerated() {
      try checkPerChannel(inputs, index + 1, label, channels: x.shape[1])
    }
    return [x]
  }
}
