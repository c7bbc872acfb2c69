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

  /// Channels that are transformed together.
  private typealias Lanes = SIMD4<Double>

  /// Transforms the weights of one panel into [elements][inChannels][width].
  func pack(_ source: UnsafePointer<Float>, panel: Int, into target: UnsafeMutablePointer<Float>) {
    let matrix = Self.matrices[outputs] ?? []
    let n = matrix.count
    withUnsafeTemporaryAllocation(of: Lanes.self, capacity: n * 3 + 9 + n * 3) { memory in
      guard let g = memory.baseAddress else { return }
      // g is G, [n × 3]; w the weights, [3 × 3]; half G w, [n × 3].
      let (w, half) = (g + n * 3, g + n * 3 + 9)
      for (i, row) in matrix.enumerated() {
        (g[i * 3], g[i * 3 + 1], g[i * 3 + 2]) =
          (Lanes(repeating: row.0), Lanes(repeating: row.1), Lanes(repeating: row.2))
      }
      for channel in stride(from: 0, to: width, by: Lanes.scalarCount) {
        for k in 0..<inChannels {
          gather(source, panel * width + channel, k, into: w)
          for i in 0..<n {
            for j in 0..<3 {
              half[i * 3 + j] = g[i * 3] * w[j] + g[i * 3 + 1] * w[3 + j] + g[i * 3 + 2] * w[6 + j]
            }
          }
          for i in 0..<n {
            for j in 0..<n {
              let value =
                g[j * 3] * half[i * 3] + g[j * 3 + 1] * half[i * 3 + 1] + g[j * 3 + 2] * half[i * 3 + 2]
              let row = target + (((panel * n + i) * n + j) * inChannels + k) * width + channel
              for lane in 0..<Lanes.scalarCount { row[lane] = Float(value[lane]) }
            }
          }
        }
      }
    }
  }

  /// The nine taps of an input channel for some output channels; zeros beyond the last.
  @inline(__always)
  private func gather(
    _ source: UnsafePointer<Float>, _ channel: Int, _ k: Int, into w: UnsafeMutablePointer<Lanes>
  ) {
    let step = inChannels * 9
    let taps = source + channel * step + k * 9
    if channel + Lanes.scalarCount <= outChannels {
      for tap in 0..<9 {
        let x = taps + tap
        w[tap] = Lanes(Double(x[0]), Double(x[step]), Double(x[2 * step]), Double(x[3 * step]))
      }
      return
    }
    for tap in 0..<9 {
      w[tap] = .zero
      for lane in 0..<max(outChannels - channel, 0) { w[tap][lane] = Double(taps[lane * step + tap]) }
    }
  }
}
