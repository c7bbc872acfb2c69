import RBNGraph
import RBNTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension BatchNorm: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledNormalisation(
      eps: eps, weight: try node.channelVector(1, "weight"), bias: try node.channelVector(2, "bias"),
      centerWeight: nil, scaleWeight: nil, scaleBias: nil,
      runningMean: try node.channelVector(3, "running_mean"),
      runningVar: try node.channelVector(4, "running_var"),
      consumedParameters: [1, 2, 3, 4], table: node.kernels)
  }
}

extension RepresentativeBatchNorm: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledNormalisation(
      eps: eps, weight: try node.channelVector(1, "weight"), bias: try node.channelVector(2, "bias"),
      centerWeight: try node.channelVector(3, "center_weight"),
      scaleWeight: try node.channelVector(4, "scale_weight"),
      scaleBias: try node.channelVector(5, "scale_bias"),
      runningMean: try node.channelVector(6, "running_mean"),
      runningVar: try node.channelVector(7, "running_var"), consumedParameters: [1, 2, 3, 4, 5, 6, 7],
      table: node.kernels)
  }
}

/// BatchNorm and RBN that no pass made an ``InstanceAffine``: unfused graphs, and those that use the batch's statistics.
private struct CompiledNormalisation: CompiledOperator {
  let eps: Double
  let weight, bias, centerWeight, scaleWeight, scaleBias, runningMean, runningVar: [Double]?
  let consumedParameters: Set<Int>
  let table: KernelTable

  var kernel: String {
    runningMean == nil
      ? "batch statistics + affine \(table.affine.instructionSet)" : "affine \(table.affine.instructionSet)"
  }

  /// (N, C, pixels) of any rank: only images are kept channels-last.
  private func scratch(_ operand: Operand) -> InstanceScratch {
    let pixels = operand.shape.dropFirst(2).reduce(1) { $0 &* $1 }
    return InstanceScratch((operand.shape[0], operand.shape[1], pixels, 1))
  }

  private func needsCopy(_ operand: Operand) -> Bool { operand.shape.rank == 3 || operand.shape.rank > 4 }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    scratch(output).byteCount + (needsCopy(output) ? 2 * (try output.shape.byteCount(of: .float32)) : 0)
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let source = try input(inputs, 0)
    let scratch = scratch(source)
    let (batch, channels, pixels) = (scratch.batch, scratch.channels, scratch.pixels)
    // Values of rank 3 are (N, C, L) in memory: through a channels-last copy.
    let copy = (context.scratch + scratch.byteCount).assumingMemoryBound(to: Float.self)
    var x = UnsafePointer(context.pointer(source))
    var out = context.pointer(output)
    let strides = PixelStrides(shape: [batch, channels, pixels])
    if needsCopy(source) {
      StridedIteration.copy(shape: strides.shape, from: x, strides.contiguous, to: copy, strides.channelsLast)
      x = UnsafePointer(copy)
      out = copy + output.count
    }
    scratch.computeMeans(x, table, context)
    let means = scratch.means(context)
    let statistics =
      if let runningMean, let runningVar {
        (mean: runningMean, variance: runningVar)
      } else {
        batchStatistics(x, means, batch: batch, pixels: pixels, channels: channels)
      }
    let (scale, shift) = (scratch.scale(context), scratch.shift(context))
    for n in 0..<batch {
      for c in 0..<channels {
        let i = n * channels + c
        let inverse = 1 / (statistics.variance[c] + eps).squareRoot()
        let centring = (centerWeight?[c] ?? 0) * means[i]
        var factor = weight?[c] ?? 1
        if let scaleWeight, let scaleBias {
          let representative = (means[i] + centring - statistics.mean[c]) * inverse
          factor /= 1 + exp(-(scaleWeight[c] * representative + scaleBias[c]))
        }
        let slope = factor * inverse
        scale[i] = Float(slope)
        // What rounding the slope changes at the mean; see rbn_calibrate.
        let correction = (slope - Double(scale[i])) * means[i]
        shift[i] = Float((bias?[c] ?? 0) + slope * (centring - statistics.mean[c]) + correction)
      }
    }
    Elementwise(table: table, pool: context.pool).instanceAffine(
      x, scale: scale, shift: shift, out, batch: batch, pixels: pixels, channels: channels)
    if needsCopy(source) {
      StridedIteration.copy(
        shape: strides.shape, from: out, strides.channelsLast, to: context.pointer(output), strides.contiguous
      )
    }
  }

  /// The mean and biased variance over instances and pixels of x' = x + center_weight · m.
  ///
  /// With m' = (1 + center_weight) · m the mean of x' over an instance, x' − mean = (x − m) + (m' − mean), and the first term sums
  /// to zero: the variance is the mean of the instances' own variances plus the variance of m'.
  private func batchStatistics(
    _ x: UnsafePointer<Float>, _ means: UnsafePointer<Double>, batch: Int, pixels: Int, channels: Int
  ) -> (mean: [Double], variance: [Double]) {
    var mean = [Double](repeating: 0, count: channels)
    var variance = mean
    func centredMean(_ n: Int, _ c: Int) -> Double { (1 + (centerWeight?[c] ?? 0)) * means[n * channels + c] }
    for n in 0..<batch { for c in 0..<channels { mean[c] += centredMean(n, c) / Double(batch) } }
    for n in 0..<batch {
      for p in 0..<pixels {
        let row = x + (n * pixels + p) * channels
        for c in 0..<channels {
          let difference = Double(row[c]) - means[n * channels + c]
          variance[c] += difference * difference
        }
      }
    }
    for c in 0..<channels {
      variance[c] /= Double(batch * pixels)
      for n in 0..<batch {
        let difference = centredMean(n, c) - mean[c]
        variance[c] += difference * difference / Double(batch)
      }
    }
    return (mean, variance)
  }
}

/// Strides of a value of shape (N, C, pixels) in its two orders.
private struct PixelStrides {
  let shape: Shape
  var contiguous: [Int] { shape.contiguousStrides }
  var channelsLast: [Int] { [shape[1] * shape[2], 1, shape[1]] }
}
