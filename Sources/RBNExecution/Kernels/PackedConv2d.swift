import CRBNKernels
import RBNTensor

/// A convolution with its weights in the order in which the kernels of one table read them.
///
/// Activations are (N, H, W, C) float32. An output element is summed over taps and then input channels, in order, one
/// multiply-add each, whatever the batch, the threads and the split of the work: results are identical bit for bit.
package final class PackedConv2d: Conv2dAlgorithm {
  package let parameters: Conv2dParameters
  let table: KernelTable
  let kind: Kind
  let weights: PackedFloats
  let bias: PackedFloats?
  /// `inChannels` zeros: the row that taps in the padding read.
  let zeros: PackedFloats

  enum Kind: Sendable {
    /// [groups][panels][taps · inputs of the group][tile's channels], zeros beyond the group's outputs.
    case panels(tile: KernelTable.ConvTile, count: Int)
    /// [taps][stride].
    case depthwise(KernelTable.DepthwiseFunction, stride: Int)
    /// [channels / lanes][taps][inputs of a group][lanes].
    case grouped(KernelTable.DepthwiseFunction)
  }

  /// Packs weights.
  ///
  /// - Parameters:
  ///   - weight: (outChannels, inChannels / groups, height, width), of any floating-point dtype.
  ///   - bias: (outChannels), or `nil` for none.
  /// - Throws: `kernel.invalid-convolution`, `system.out-of-memory`.
  /// - Complexity: O(weights).
  package init(
    weight: Tensor, bias: Tensor?, parameters p: Conv2dParameters, table: KernelTable,
    pool: ThreadPool = .shared
  ) throws {
    try p.validate()
    guard weight.shape.dimensions == [p.outChannels, p.groupInputs, p.kernel.height, p.kernel.width] else {
      throw RBNError(
        .invalidConvolution, .model,
        "the weights have shape \(weight.shape), not \(Shape([p.outChannels, p.groupInputs, p.kernel.height, p.kernel.width]))"
      )
    }
    if let bias, bias.shape.dimensions != [p.outChannels] {
      throw RBNError(.invalidConvolution, .model, "the bias has shape \(bias.shape), not (\(p.outChannels),)")
    }
    parameters = p
    self.table = table
    zeros = try PackedFloats(zeros: p.inChannels)
    self.bias = try bias.map { try PackedFloats(copying: $0.floats) }
    let source = try weight.converted(to: .float32)
    if p.isDepthwise {
      let lanes = table.depthwiseLanes
      let stride = (p.outChannels + lanes - 1) / lanes * lanes
      kind = .depthwise(table.depthwise.function, stride: stride)
      weights = try PackedFloats(zeros: p.taps, stride)
      source.withUnsafeBytes {
        Self.packDepthwise($0.bindMemory(to: Float.self), p, into: weights.start, stride: stride)
      }
    } else if Self.fillsVectors(p, lanes: table.depthwiseLanes) {
      kind = .grouped(table.grouped.function)
      weights = try PackedFloats(zeros: p.outChannels, p.taps, p.groupInputs)
      source.withUnsafeBytes {
        Self.packGroups($0.bindMemory(to: Float.self), p, into: weights.start, lanes: table.depthwiseLanes)
      }
    } else {
      let tile = table.convTile(channels: p.groupOutputs)
      let count = (p.groupOutputs + tile.channels - 1) / tile.channels
      kind = .panels(tile: tile, count: count)
      weights = try PackedFloats(uninitialized: [p.groups, count, tile.channels, p.taps, p.groupInputs])
      source.withUnsafeBytes {
        Self.packPanels(
          $0.bindMemory(to: Float.self), p, into: weights.start, width: tile.channels, count: count, pool)
      }
    }
  }

  /// The bytes that packed weights and bias take.
  package var byteCount: Int { weights.byteCount + (bias?.byteCount ?? 0) + zeros.byteCount }

  private static func packPanels(
    _ source: UnsafeBufferPointer<Float>, _ p: Conv2dParameters, into out: UnsafeMutablePointer<Float>,
    width: Int, count: Int, _ pool: ThreadPool
  ) {
    let (taps, depth) = (p.taps, p.groupInputs)
    pool.parallelFor(count: p.groups * count) { index, _ in
      let (group, number) = index.quotientAndRemainder(dividingBy: count)
      let panel = out + index * taps * depth * width
      let channels = min(width, p.groupOutputs - number * width)
      let first = (group * p.groupOutputs + number * width) * depth * taps
      for tap in 0..<taps {
        for k in 0..<depth {
          let row = panel + (tap * depth + k) * width
          let from = first + k * taps + tap
          for channel in 0..<channels { row[channel] = source[from + channel * depth * taps] }
          for channel in channels..<width { row[channel] = 0 }
        }
      }
    }
  }

  /// Whether the grouped kernel takes it: groups as deep as they are wide, and whole vectors of whole groups.
  private static func fillsVectors(_ p: Conv2dParameters, lanes: Int) -> Bool {
    p.groups > 1 && [4, 8, 16].contains(p.groupOutputs) && p.groupInputs == p.groupOutputs
      && lanes % p.groupOutputs == 0 && p.outChannels % lanes == 0
  }

  private static func packGroups(
    _ source: UnsafeBufferPointer<Float>, _ p: Conv2dParameters, into out: UnsafeMutablePointer<Float>,
    lanes: Int
  ) {
    let (taps, depth) = (p.taps, p.groupInputs)
    for channel in 0..<p.outChannels {
      let vector = out + channel / lanes * taps * depth * lanes + channel % lanes
      for k in 0..<depth {
        for tap in 0..<taps { vector[(tap * depth + k) * lanes] = source[(channel * depth + k) * taps + tap] }
      }
    }
  }

  private static func packDepthwise(
    _ source: UnsafeBufferPointer<Float>, _ p: Conv2dParameters, into out: UnsafeMutablePointer<Float>,
    stride: Int
  ) {
    for channel in 0..<p.outChannels {
      for tap in 0..<p.taps { out[tap * stride + channel] = source[channel * p.taps + tap] }
    }
  }

  /// The tile in use: `conv2d avx512 6×64`.
  package var description: String {
    switch kind {
    case .panels(let tile, _): "conv2d \(tile.instructionSet) \(tile.pixels)×\(tile.channels)"
    case .depthwise: "depthwise conv2d \(table.depthwise.instructionSet)"
    case .grouped: "grouped conv2d \(table.grouped.instructionSet)"
    }
  }
}
