import RBNTensor

/// 2-d cross-correlation with zero padding.
///
/// `aten::conv2d(Tensor input, Tensor weight, Tensor? bias, int[2] stride=1, int[2] padding=0, int[2] dilation=1,
/// int groups=1)`. Inputs: x (N, C, H, W), weight (O, C / groups, KH, KW), bias (O) or absent. Output (N, O, H', W').
package struct Conv2d: Operator {
  package var stride: [Int]
  /// Top, left, bottom, right. ATen's two values are height and width; four values are our extension.
  package var padding: [Int]
  package var dilation: [Int]
  package var groups: Int

  package static let name = "aten.conv2d.default"
  package var name: String { Self.name }

  package init(stride: Int = 1, padding: Int = 0, dilation: Int = 1, groups: Int = 1) {
    self.stride = [stride, stride]
    self.padding = [padding, padding, padding, padding]
    self.dilation = [dilation, dilation]
    self.groups = groups
  }

  package init(_ attributes: Attributes) throws {
    stride = try attributes.pair("stride", default: [1, 1], in: AttributeRange.positive)
    dilation = try attributes.pair("dilation", default: [1, 1], in: AttributeRange.positive)
    groups = try attributes.int("groups", default: 1, in: AttributeRange.positive)
    let given = try attributes.ints("padding", default: [0], in: AttributeRange.natural)
    switch given.count {
    case 1: padding = [given[0], given[0], given[0], given[0]]
    case 2: padding = [given[0], given[1], given[0], given[1]]
    case 4: padding = given
    default: throw attributes.invalid("padding", "has \(given.count) elements, not 2 or 4")
    }
  }

  package var attributes: Attributes {
    let symmetric = padding[0] == padding[2] && padding[1] == padding[3]
    return Attributes([
      "stride": .ints(stride), "padding": .ints(symmetric ? [padding[0], padding[1]] : padding),
      "dilation": .ints(dilation), "groups": .int(groups),
    ])
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try requiredImage(inputs)
    let weight = try required(inputs, 1, "weight").shape
    guard weight.rank == 4, weight.allSatisfy({ $0 > 0 }) else {
      throw shapeMismatch("needs a weight of shape (O, C / groups, KH, KW), got \(weight)")
    }
    let (channels, overflow) = weight[1].multipliedReportingOverflow(by: groups)
    guard !overflow, channels == x.shape[1], weight[0] % groups == 0 else {
      throw shapeMismatch(
        "a weight of shape \(weight) with \(groups) groups does not fit an input of shape \(x.shape)")
    }
    try checkPerChannel(inputs, 2, "bias", channels: weight[0])
    let height = try outputSize(x.shape[2], kernel: weight[2], axis: 0)
    let width = try outputSize(x.shape[3], kernel: weight[3], axis: 1)
    return [TensorType([x.shape[0], weight[0], height, width], x.dtype)]
  }

  private func outputSize(_ size: Int, kernel: Int, axis: Int) throws -> Int {
    let (span, overflow) = (kernel - 1).multipliedReportingOverflow(by: dilation[axis])
    let (padded, tooLarge) = size.addingReportingOverflow(padding[axis] + padding[axis + 2])
    guard !overflow, !tooLarge, padded > span else {
      throw shapeMismatch(
        "an input of size \(size) is smaller than the kernel (\(kernel), dilation \(dilation[axis]))")
    }
    return (padded - span - 1) / stride[axis] + 1
  }
}
