import RBNTensor

/// The geometry that maximum and average pooling share.
package struct PoolWindow: Hashable, Sendable {
  package var kernel: [Int]
  package var stride: [Int]
  package var padding: [Int]
  package var dilation: [Int]
  package var ceilMode: Bool

  package init(kernel: Int, stride: Int, padding: Int = 0) {
    self.kernel = [kernel, kernel]
    self.stride = [stride, stride]
    self.padding = [padding, padding]
    dilation = [1, 1]
    ceilMode = false
  }

  package init(_ attributes: Attributes) throws {
    kernel = try attributes.pair("kernel_size", in: AttributeRange.positive)
    let given = try attributes.ints("stride", default: [], in: AttributeRange.positive)
    stride = given.isEmpty ? kernel : try attributes.pair("stride", in: AttributeRange.positive)
    padding = try attributes.pair("padding", default: [0, 0], in: AttributeRange.natural)
    dilation = try attributes.pair("dilation", default: [1, 1], in: AttributeRange.positive)
    ceilMode = try attributes.bool("ceil_mode", default: false)
    guard padding[0] <= kernel[0] / 2, padding[1] <= kernel[1] / 2 else {
      throw attributes.invalid("padding", "is \(padding), more than half of the kernel \(kernel)")
    }
  }

  package var attributes: Attributes {
    Attributes([
      "kernel_size": .ints(kernel), "stride": .ints(stride), "padding": .ints(padding),
      "dilation": .ints(dilation),
      "ceil_mode": .bool(ceilMode),
    ])
  }

  /// ATen's `pooling_output_shape`; `nil` when the window does not fit.
  package func outputSize(_ size: Int, axis: Int) -> Int? {
    let (span, overflow) = (kernel[axis] - 1).multipliedReportingOverflow(by: dilation[axis])
    let (padded, tooLarge) = size.addingReportingOverflow(2 * padding[axis])
    guard !overflow, !tooLarge, padded > span || (ceilMode && padded + stride[axis] > span + 1) else {
      return nil
    }
    let reach = padded - span - 1
    var output = (reach + (ceilMode ? stride[axis] - 1 : 0)) / stride[axis] + 1
    // The last window must start inside the input or its left padding.
    if ceilMode && (output - 1) * stride[axis] >= size + padding[axis] { output -= 1 }
    return output > 0 ? output : nil
  }

  package func outputShape(_ shape: Shape) -> Shape? {
    guard let height = outputSize(shape[2], axis: 0), let width = outputSize(shape[3], axis: 1) else {
      return nil
    }
    return [shape[0], shape[1], height, width]
  }
}

/// `aten::max_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool
/// ceil_mode=False)`. A NaN in the window gives NaN.
package struct MaxPool2d: Operator {
  package var window: PoolWindow

  package static let name = "aten.max_pool2d.default"
  package var name: String { Self.name }

  package init(_ window: PoolWindow) { self.window = window }
  package init(_ attributes: Attributes) throws { window = try PoolWindow(attributes) }
  package var attributes: Attributes { window.attributes }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try requiredImage(inputs)
    guard let shape = window.outputShape(x.shape) else {
      throw shapeMismatch("the window \(window.kernel) does not fit an input of shape \(x.shape)")
    }
    return [TensorType(shape, x.dtype)]
  }
}

/// `aten::avg_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, bool ceil_mode=False, bool
/// count_include_pad=True, int? divisor_override=None)`.
package struct AvgPool2d: Operator {
  package var window: PoolWindow
  package var countIncludePad: Bool
  package var divisorOverride: Int?

  package static let name = "aten.avg_pool2d.default"
  package var name: String { Self.name }

  package init(_ window: PoolWindow, countIncludePad: Bool = true, divisorOverride: Int? = nil) {
    self.window = window
    self.countIncludePad = countIncludePad
    self.divisorOverride = divisorOverride
  }

  package init(_ attributes: Attributes) throws {
    window = try PoolWindow(attributes)
    countIncludePad = try attributes.bool("count_include_pad", default: true)
    divisorOverride = try attributes.optionalInt("divisor_override")
    guard divisorOverride != 0 else { throw attributes.invalid("divisor_override", "is 0") }
    guard window.dilation == [1, 1] else { throw attributes.invalid("dilation", "is not 1") }
  }

  package var attributes: Attributes {
    var attributes = window.attributes
    attributes.set("count_include_pad", .bool(countIncludePad))
    attributes.set("divisor_override", divisorOverride.map { .int($0) } ?? .none)
    return attributes
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try requiredImage(inputs)
    guard let shape = window.outputShape(x.shape) else {
      throw shapeMismatch("the window \(window.kernel) does not fit an input of shape \(x.shape)")
    }
    return [TensorType(shape, x.dtype)]
  }
}

/// `aten::adaptive_avg_pool2d(Tensor self, SymInt[2] output_size)`: output (n, c, i, j) is the mean over rows
/// ⌊i·H/H'⌋ ..< ⌈(i+1)·H/H'⌉ and the columns alike.
package struct AdaptiveAvgPool2d: Operator {
  package var outputSize: [Int]

  package static let name = "aten.adaptive_avg_pool2d.default"
  package var name: String { Self.name }

  package init(outputSize: [Int] = [1, 1]) { self.outputSize = outputSize }

  package init(_ attributes: Attributes) throws {
    outputSize = try attributes.pair("output_size", in: AttributeRange.positive)
  }

  package var attributes: Attributes { Attributes(["output_size": .ints(outputSize)]) }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try requiredImage(inputs)
    return [TensorType([x.shape[0], x.shape[1], outputSize[0], outputSize[1]], x.dtype)]
  }
}
