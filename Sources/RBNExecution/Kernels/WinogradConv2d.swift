import CRBNKernels
import RBNTensor

/// A 3 × 3 convolution of stride 1 by Winograd's minimal filtering F(m × m, 3 × 3): Lavin and Gray, *Fast Algorithms for
/// Convolutional Neural Networks*, 2015.
///
/// Each tile of m × m outputs takes (m + 2)² products for each pair of channels instead of 9 m². The error grows with m.
/// An output element is computed in the same way whatever the batch, the threads and the split of the work.
package final class WinogradConv2d: Conv2dAlgorithm {
  package let parameters: Conv2dParameters
  let table: KernelTable
  /// m: outputs of a tile along an axis, 2 or 4.
  let outputs: Int
  let tile: KernelTable.ConvTile
  /// [panels][elements][inChannels][tile's channels], zeros beyond the output channels.
  let weights: PackedFloats
  let bias: PackedFloats?
  /// `inChannels` zeros.
  let zeros: PackedFloats

  /// Whether a convolution can be computed so.
  static func accepts(_ p: Conv2dParameters) -> Bool {
    p.kernel == .init(3) && p.stride == .init(1) && p.dilation == .init(1) && p.groups == 1
  }

  /// Elements of a transformed tile.
  var elements: Int { (outputs + 2) * (outputs + 2) }
  var panels: Int { (parameters.outChannels + tile.channels - 1) / tile.channels }

  package var byteCount: Int { weights.byteCount + (bias?.byteCount ?? 0) + zeros.byteCount }
  package var description: String { "winograd F(\(outputs)×\(outputs), 3×3) \(tile.instructionSet)" }

  /// Transforms and packs weights, in float64.
  ///
  /// - Parameters:
  ///   - outputs: 2 or 4.
  ///   - weight: (outChannels, inChannels, 3, 3).
  ///   - bias: (outChannels), or `nil` for none.
  /// - Throws: `kernel.invalid-convolution`, `system.out-of-memory`.
  package init(
    outputs: Int, weight: Tensor, bias: Tensor?, parameters p: Conv2dParameters, table: KernelTable,
    pool: ThreadPool
  ) throws {
    try p.validate()
    guard Self.accepts(p), outputs == 2 || outputs == 4,
      weight.shape.dimensions == [p.outChannels, p.inChannels, 3, 3],
      bias.map({ $0.shape.dimensions == [p.outChannels] }) ?? true
    else {
      throw RBNError(
        .invalidConvolution, .model,
        "weights of shape \(weight.shape) don't fit a 3×3 convolution of stride 1")
    }
    parameters = p
    self.table = table
    self.outputs = outputs
    tile = table.convTile(channels: p.outChannels)
    zeros = try PackedFloats(zeros: p.inChannels)
    self.bias = try bias.map { try PackedFloats(copying: $0.floats) }
    let panels = (p.outChannels + tile.channels - 1) / tile.channels
    let elements = (outputs + 2) * (outputs + 2)
    weights = try PackedFloats(uninitialized: [panels, elements, p.inChannels, tile.channels])
    let packer = WinogradWeights(
      outputs: outputs, inChannels: p.inChannels, outChannels: p.outChannels, width: tile.channels)
    let target = weights.start
    try weight.converted(to: .float32).withUnsafeBytes { bytes in
      guard let source = bytes.bindMemory(to: Float.self).baseAddress else { return }
      pool.parallelFor(count: panels) { panel, _ in packer.pack(source, panel: panel, into: target) }
    }
  }

  package func plan(_ problem: Conv2dProblem) throws -> any PlannedConv2d {
    try WinogradConv2dPlan(self, problem)
  }
}

/// The weight transform G g Gᵀ.
struct WinogradWeights {
  let outputs: Int
  let inChannels: Int
  let outChannels: Int
  /// Output channels of a panel.
  let width: Int

  /// G of F(2, 3) and F(4, 3), for the points of the kernels' transforms.
  private static let matrices: [Int: [(Double, Double, Double)]] = [
    2: [(1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)],
    4: [
      (1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6), (1 / 24, 1 / 12, 1 / 6),
      (1 / 24, -1 / 12, 1 / 6), (0, 0, 1),
    ],
  ]

  /// Transforms the weights of one panel into [elements][inChannels][width].
  func pack(_ source: UnsafePointer<Float>, panel: Int, into target: UnsafeMutablePointer<Float>) {
    let g = Self.matrices[outputs] ?? []
    let n = g.count
    let out = target + panel * n * n * inChannels * width
    let channels = min(width, outChannels - panel * width)
    let first = source + panel * width * inChannels * 9
    // Channels are innermost, where the compiler turns them into vectors: w is [3 × 3][width], G w is [n × 3][width].
    withUnsafeTemporaryAllocation(of: Double.self, capacity: (9 + n * 3) * width) { memory in
      guard let w = memory.baseAddress else { return }
      let half = w + 9 * width
      w.initialize(repeating: 0, count: 9 * width)
      for k in 0..<inChannels {
        for channel in 0..<channels {
          let taps = first + (channel * inChannels + k) * 9
          for tap in 0..<9 { w[tap * width + channel] = Double(taps[tap]) }
        }
        for i in 0..<n {
          for j in 0..<3 {
            combine(g[i], w + j * width, step: 3 * width) { half[(i * 3 + j) * width + $0] = $1 }
          }
        }
        for i in 0..<n {
          for j in 0..<n {
            let row = out + ((i * n + j) * inChannels + k) * width
            combine(g[j], half + i * 3 * width, step: width) { row[$0] = Float($1) }
          }
        }
      }
    }
  }

  /// The combination of three vectors of `width` numbers, `step` apart, with the coefficients of a row of G.
  @inline(__always)
  private func combine(
    _ g: (Double, Double, Double), _ x: UnsafePointer<Double>, step: Int, _ store: (Int, Double) -> Void
  ) {
    for c in 0..<width { store(c, g.0 * x[c] + g.1 * x[step + c] + g.2 * x[2 * step + c]) }
  }
}
