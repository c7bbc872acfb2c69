import RBNGraph
import RBNTensor

extension RBNError.Code {
  /// Convolution parameters that contradict each other or the weights.
  package static let invalidConvolution = Self("kernel.invalid-convolution")
}

/// The geometry of a 2-D convolution, as `aten::conv2d` has it.
package struct Conv2dParameters: Hashable, Sendable {
  /// A pair of numbers, one for each axis of an image.
  package struct Axes: Hashable, Sendable {
    package var height: Int
    package var width: Int

    package init(_ height: Int, _ width: Int) {
      self.height = height
      self.width = width
    }

    package init(_ both: Int) { self.init(both, both) }

    fileprivate func isWithin(_ range: ClosedRange<Int>) -> Bool {
      range.contains(height) && range.contains(width)
    }
  }

  package var inChannels: Int
  package var outChannels: Int
  package var kernel: Axes
  package var stride: Axes
  /// Zeros above and to the left of the image.
  package var padding: Axes
  /// Zeros below and to the right of the image.
  package var paddingEnd: Axes
  package var dilation: Axes
  package var groups: Int

  /// Makes parameters; `paddingEnd` is `padding` unless it is given.
  package init(
    inChannels: Int, outChannels: Int, kernel: Axes, stride: Axes = Axes(1), padding: Axes = Axes(0),
    paddingEnd: Axes? = nil, dilation: Axes = Axes(1), groups: Int = 1
  ) {
    self.inChannels = inChannels
    self.outChannels = outChannels
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.paddingEnd = paddingEnd ?? padding
    self.dilation = dilation
    self.groups = groups
  }

  /// Positions in the window.
  package var taps: Int { kernel.height * kernel.width }
  /// Input channels that an output channel reads.
  package var groupInputs: Int { inChannels / groups }
  /// Output channels of a group.
  package var groupOutputs: Int { outChannels / groups }
  /// Whether every input channel is a group of its own.
  package var isDepthwise: Bool { groups == inChannels && groups > 1 }
  /// Whether output pixel p reads input pixel p and no other.
  package var isPointwise: Bool {
    taps == 1 && stride == Axes(1) && padding == Axes(0) && paddingEnd == Axes(0)
  }

  /// Each number within 1 ... 2^24 (paddings from 0), the groups dividing the channels, the window's elements countable.
  package func validate() throws {
    let limit = 1 << 24
    guard (1...limit).contains(inChannels), (1...limit).contains(outChannels), kernel.isWithin(1...limit),
      stride.isWithin(1...limit), padding.isWithin(0...limit), paddingEnd.isWithin(0...limit),
      dilation.isWithin(1...limit), groups >= 1, inChannels % groups == 0, outChannels % groups == 0
    else {
      throw RBNError(
        .invalidConvolution, .model,
        "a convolution of \(inChannels) to \(outChannels) channels in \(groups) groups with kernel \(kernel), "
          + "stride \(stride), padding \(padding) and \(paddingEnd), dilation \(dilation) is not possible")
    }
  }

  /// The size of the output.
  ///
  /// - Throws: `kernel.invalid-convolution` when the window does not fit in the padded image.
  package func outputSize(height: Int, width: Int) throws -> Axes {
    func output(_ size: Int, _ axis: KeyPath<Axes, Int>) throws -> Int {
      let span = (kernel[keyPath: axis] - 1) * dilation[keyPath: axis] + 1
      let (padded, overflow) = size.addingReportingOverflow(
        padding[keyPath: axis] + paddingEnd[keyPath: axis])
      guard size > 0, !overflow, padded >= span else {
        throw RBNError(
          .invalidConvolution, .input,
          "a window that spans \(span) pixels does not fit in \(size) pixels with padding "
            + "\(padding[keyPath: axis]) and \(paddingEnd[keyPath: axis])")
      }
      return (padded - span) / stride[keyPath: axis] + 1
    }
    return Axes(try output(height, \.height), try output(width, \.width))
  }
}
