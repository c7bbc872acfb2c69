import RBNTensor

/// The algorithm of a convolution and, where a per-instance affine map follows, where its mean comes from.
///
/// Both depend on the layer and on the size of the example's images, not on the batch, the threads or the sizes of a
/// call: the same image gives the same bits in all of them.
package struct Conv2dChoice: Hashable, Sendable {
  package enum Algorithm: Hashable, Sendable {
    /// Implicit GEMM, or the depthwise kernel.
    case direct
    /// F(m × m, 3 × 3).
    case winograd(outputs: Int)
  }

  package let algorithm: Algorithm
  package let meanSource: MeanSource

  /// - Parameter exampleInput: (N, C, H, W); `nil` when it is not known.
  package init(_ p: Conv2dParameters, exampleInput: Shape?, options: ExecutionOptions) throws {
    let size: Conv2dParameters.Axes? =
      if let shape = exampleInput, shape.rank == 4 {
        try p.outputSize(height: shape[2], width: shape[3])
      } else {
        nil
      }
    let pixels = size.map { $0.height * $0.width } ?? 0
    algorithm = options.usesWinograd ? Self.algorithm(p, size) : .direct
    // Sums of the taps of a window follow from the image's sums for stride 1 only.
    let canComeBefore = p.stride == .init(1)
    meanSource = canComeBefore ? options.meanSource ?? Self.meanSource(p, pixels: pixels) : .after
  }

  private static func algorithm(_ p: Conv2dParameters, _ size: Conv2dParameters.Axes?) -> Algorithm {
    guard let size, WinogradConv2d.accepts(p), p.inChannels >= 16, p.outChannels >= 16 else { return .direct }
    let direct = Self.cost(p, size, outputs: nil)
    let candidates = [2, 4].map { (m: Int) in (outputs: m, cost: Self.cost(p, size, outputs: m)) }
    guard let best = candidates.min(by: { $0.cost < $1.cost }), best.cost < direct else { return .direct }
    return .winograd(outputs: best.outputs)
  }

  /// Cycles of one image on one core, about: multiply-adds at their rate, weights at memory's, and the transforms.
  private static func cost(_ p: Conv2dParameters, _ size: Conv2dParameters.Axes, outputs m: Int?) -> Double {
    let pairs = Double(p.inChannels * p.outChannels)
    // Two fused multiply-adds of eight lanes a cycle; bytes of weights a cycle from memory, shared by two cores.
    let multiplyAdds = 16.0, weightBytes = 8.0
    guard let m else {
      return Double(size.height * size.width) * pairs * 9 / multiplyAdds + pairs * 36 / weightBytes
    }
    let tiles = Double(((size.height + m - 1) / m) * ((size.width + m - 1) / m))
    let elements = Double((m + 2) * (m + 2))
    let transforms = tiles * elements * Double(p.inChannels + p.outChannels) * 0.5
    return tiles * elements * pairs / multiplyAdds * 1.1 + pairs * elements * 4 / weightBytes + transforms
  }

  /// The cheaper of a pass over the output and a matrix-vector product.
  private static func meanSource(_ p: Conv2dParameters, pixels: Int) -> MeanSource {
    let pass = Double(pixels * p.outChannels) * 0.5
    let product = Double(p.taps * p.groupInputs * p.outChannels) * 0.25
    return product < pass ? .before : .after
  }

  /// Packs the weights for the algorithm.
  func pack(weight: Tensor, bias: Tensor?, _ parameters: Conv2dParameters, _ node: NodeContext) throws
    -> any Conv2dAlgorithm
  {
    switch algorithm {
    case .direct:
      try PackedConv2d(weight: weight, bias: bias, parameters: parameters, table: node.kernels)
    case .winograd(let outputs):
      try WinogradConv2d(
        outputs: outputs, weight: weight, bias: bias, parameters: parameters, table: node.kernels,
        pool: node.pool)
    }
  }
}
