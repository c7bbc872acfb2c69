import RBNTensor

/// The transpose of a 2-d convolution: every input pixel adds its multiple of the kernel to the output.
///
/// `aten::conv_transpose2d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] padding=0, SymInt[2]
/// output_padding=0, SymInt groups=1, SymInt[2] dilation=1)`. Inputs: x (N, C, H, W), weight (C, O / groups, KH, KW), bias (O) or
/// absent. Output (N, O, H', W') with H' = (H − 1) · stride − 2 · padding + dilation · (KH − 1) + output_padding + 1.
package struct ConvTranspose2d: Operator {
  package var stride: [Int]
  package var padding: [Int]
  package var outputPadding: [Int]
  package var dilation: [Int]
  package var groups: Int

  package static let name = "aten.conv_transpose2d.input"
  package var name: String { Self.name }

  package init(_ attributes: Attributes) throws {
    stride = try attributes.pair("stride", default: [1, 1], in: AttributeRange.positive)
    padding = try attributes.pair("padding", default: [0, 0], in: AttributeRange.natural)
    outputPadding = try attributes.pair("output_padding", default: [0, 0], in: AttributeRange.natural)
    dilation = try attributes.pair("dilation", default: [1, 1], in: AttributeRange.positive)
    groups = try attributes.int("groups", default: 1, in: AttributeRange.positive)
    for axis in 0..<2 where outputPadding[axis] >= max(stride[axis], dilation[axis]) {
      throw attributes.invalid("output_padding", "is not smaller than stride or dilation")
    }
  }

  package var attributes: Attributes {
    Attributes([
      "stride": .ints(stride), "padding": .ints(padding), "output_padding": .ints(outputPadding),
      "groups": .int(groups), "dilation": .ints(dilation),
    ])
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try requiredImage(inputs)
    let weight = try required(inputs, 1, "weight").shape
    guard weight.rank == 4, weight.allSatisfy({ $0 > 0 }), weight[0] == x.shape[1], weight[0] % groups == 0
    else {
      throw shapeMismatch(
        "a weight of shape \(weight) with \(groups) groups does not fit an input of shape \(x.shape)")
    }
    let (channels, overflow) = weight[1].multipliedReportingOverflow(by: groups)
    guard !overflow else { throw shapeMismatch("a weight of shape \(weight) has too many groups") }
    try checkPerChannel(inputs, 2, "bias", channels: channels)
    let size = try (0..<2).map { try outputSize(x.shape[$0 + 2], kernel: weight[$0 + 2], axis: $0) }
    return [TensorType([x.shape[0], channels, size[0], size[1]], x.dtype)]
  }

  private func outputSize(_ size: Int, kernel: Int, axis: Int) throws -> Int {
    let (spread, first) = (size - 1).multipliedReportingOverflow(by: stride[axis])
    let (reach, second) = (kernel - 1).multipliedReportingOverflow(by: dilation[axis])
    let (sum, third) = spread.addingReportingOverflow(reach)
    let result = sum.addingReportingOverflow(outputPadding[axis] + 1 - 2 * padding[axis])
    guard size > 0, !first, !second, !third, !result.overflow, result.partialValue > 0 else {
      throw shapeMismatch("has no output for an input of size \(size)")
    }
    return result.partialValue
  }
}
