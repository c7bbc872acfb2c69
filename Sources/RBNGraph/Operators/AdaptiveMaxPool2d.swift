import RBNTensor

/// `aten::adaptive_max_pool2d(Tensor self, int[2] output_size)`, its first result: output (n, c, i, j) is the maximum over rows
/// ⌊i·H/H'⌋ ..< ⌈(i+1)·H/H'⌉ and the columns alike. A NaN in the window gives NaN.
package struct AdaptiveMaxPool2d: Operator {
  package var outputSize: [Int]

  package static let name = "aten.adaptive_max_pool2d.default"
  package var name: String { Self.name }

  package init(outputSize: [Int]) { self.outputSize = outputSize }

  package init(_ attributes: Attributes) throws {
    outputSize = try attributes.pair("output_size", in: AttributeRange.positive)
  }

  package var attributes: Attributes { Attributes(["output_size": .ints(outputSize)]) }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try requiredImage(inputs)
    return [TensorType([x.shape[0], x.shape[1], outputSize[0], outputSize[1]], x.dtype)]
  }
}
