import CRBNKernels
import RBNGraph
import RBNTensor

/// Where the mean of a convolution's output comes from: the two ways to a Representative BatchNorm without a pass for its mean.
package enum MeanSource: String, CaseIterable, Sendable, CustomStringConvertible {
  /// From sums of the input, since the mean is linear; the affine map is part of the convolution's epilogue.
  case before
  /// From sums collected by the epilogue; the affine map is applied afterwards, in place.
  case after

  package var description: String { rawValue }
}

/// The per-instance affine map that follows a convolution.
struct ConvolutionCalibration: Sendable {
  let source: MeanSource
  private let coefficients: ChannelCalibration
  private let table: KernelTable
  /// The weights that turn the means of a window into the means of the output.
  private let window: PackedConv2d?
  /// Whether `window` was packed for this alone.
  private let ownsWindow: Bool

  var packedByteCount: Int { ownsWindow ? window?.byteCount ?? 0 : 0 }

  init(
    _ affine: InstanceAffine, choice: Conv2dChoice, algorithm: any Conv2dAlgorithm, weight: Tensor,
    bias: Tensor?, _ parameters: Conv2dParameters, _ node: NodeContext
  ) throws {
    guard let rows = try node.channelVector(4, "coefficients") else {
      throw RBNError(.malformedGraph, .model, "the coefficients are missing")
    }
    coefficients = ChannelCalibration(
      rows: rows, hasSigmoid: affine.hasSigmoid, hasMean: affine.hasMean, table: node.kernels)
    table = node.kernels
    source = choice.meanSource
    if source == .after {
      window = nil
      ownsWindow = false
    } else if let packed = algorithm as? PackedConv2d {
      window = packed
      ownsWindow = false
    } else {
      window = try PackedConv2d(weight: weight, bias: bias, parameters: parameters, table: node.kernels)
      ownsWindow = true
    }
  }

  /// The sizes of the memory of ``CalibrationMemory``.
  struct Plan {
    let batch: Int
    let channels: Int
    /// Floats of a window's means.
    let windowCount: Int
    /// Doubles that the kernel of the window's means needs for itself.
    let windowScratch: Int
    /// Bytes for the sums of the applied map.
    let sumsBytes: Int

    var scratchByteCount: Int {
      (batch * channels + windowScratch) * 8 + batch * (2 * channels + windowCount) * 4 + channels * batch * 4
        + sumsBytes
    }
  }

  func plan(_ problem: Conv2dProblem, output: Conv2dParameters.Axes, collectsSums: Bool) -> Plan {
    let channels = coefficients.channels
    guard let p = window?.parameters else {
      return Plan(
        batch: problem.batch, channels: channels, windowCount: 0, windowScratch: 0,
        sumsBytes: collectsSums
          ? Elementwise.instanceAffineScratchByteCount(
            batch: problem.batch, pixels: output.height * output.width, channels: channels) : 0)
    }
    return Plan(
      batch: problem.batch, channels: channels, windowCount: p.taps * p.inChannels,
      windowScratch: problem.batch * (p.kernel.height + p.kernel.width + 1) * p.inChannels, sumsBytes: 0)
  }

  /// Multiply-adds of the means' convolution that are worth waking other threads for.
  private static let parallelWork = 1 << 16

  /// Writes scale and shift from the sums of the input.
  ///
  /// The mean of the output is the convolution of one window: for each tap, the mean of what it reads.
  func calibrate(
    before x: UnsafePointer<Float>, sums: UnsafePointer<Double>, _ problem: Conv2dProblem,
    _ output: Conv2dParameters.Axes, _ memory: CalibrationMemory, _ pool: ThreadPool
  ) {
    guard let window else { return }
    let p = window.parameters
    let pixels = Double(problem.height * problem.width)
    let perImage = problem.height * problem.width * p.inChannels
    let geometry = window.window(x, problem, output)
    let scratchPerImage = (p.kernel.height + p.kernel.width + 1) * p.inChannels
    let work = problem.batch * p.outChannels * p.taps * p.groupInputs
    let crew = work < Self.parallelWork ? ThreadPool(threads: 1) : pool
    crew.parallelFor(count: problem.batch) { instance, _ in
      let means = memory.window + instance * p.taps * p.inChannels
      let totals = sums + instance * p.inChannels
      if p.isPointwise {
        for c in 0..<p.inChannels { means[c] = Float(totals[c] / pixels) }
      } else {
        var image = geometry
        image.input = x + instance * perImage
        table.windowMeans.function(&image, totals, memory.windowScratch + instance * scratchPerImage, means)
      }
    }
    let panels = window.windowPanels
    crew.parallelFor(count: problem.batch * panels) { index, _ in
      let (instance, panel) = index.quotientAndRemainder(dividingBy: panels)
      let offset = instance * p.outChannels
      let floats = memory.floatMeans + offset
      let range = window.runWindow(
        memory.window + instance * p.taps * p.inChannels, panel: panel, output: floats)
      for c in range { memory.means[offset + c] = Double(floats[c]) }
      coefficients.evaluate(
        range, means: memory.means + offset, scale: memory.scale + offset, shift: memory.shift + offset)
    }
  }

  /// What applies the map to channels as they become complete.
  func completion(
    of out: UnsafeMutablePointer<Float>, _ epilogue: Conv2dEpilogue, _ output: Conv2dParameters.Axes,
    _ memory: CalibrationMemory
  ) -> ChannelCompletion {
    ChannelCompletion(
      coefficients: coefficients, table: table, activation: epilogue.activation, residual: epilogue.residual,
      output: out, pixels: output.height * output.width, memory: memory, sums: epilogue.sums)
  }

  /// Applies the map in place, from the sums of the output in the memory's means.
  func apply(
    to out: UnsafeMutablePointer<Float>, _ epilogue: Conv2dEpilogue, _ problem: Conv2dProblem,
    _ output: Conv2dParameters.Axes, _ memory: CalibrationMemory, _ context: RunContext
  ) {
    let pixels = output.height * output.width
    coefficients.evaluate(
      batch: problem.batch, sums: memory.means, pixels: pixels, means: memory.means, scale: memory.scale,
      shift: memory.shift, pool: context.pool)
    Elementwise(table: table, pool: context.pool).instanceAffine(
      out, scale: memory.scale, shift: memory.shift, residual: epilogue.residual,
      activation: epilogue.activation, out, batch: problem.batch, pixels: pixels,
      channels: coefficients.channels, sums: epilogue.sums, scratch: memory.sums)
  }
}

/// What follows a convolution whose mean comes from its output, for channels whose sums are complete.
struct ChannelCompletion {
  let coefficients: ChannelCalibration
  let table: KernelTable
  let activation: Activation
  let residual: UnsafePointer<Float>?
  /// (N, pixels, C): what the convolution stored, and the result.
  let output: UnsafeMutablePointer<Float>
  let pixels: Int
  let memory: CalibrationMemory
  /// (N, C); receives Σ over H and W of the result.
  let sums: UnsafeMutablePointer<Double>?

  /// Makes coefficients of the partial sums of some channels, and applies them while the channels are in the cache.
  func complete(
    instance: Int, _ range: Range<Int>, _ partial: UnsafeMutablePointer<Float>, _ layout: PartialSums
  ) {
    let channels = coefficients.channels
    let offset = instance * channels
    layout.reduce(partial, instance: instance, range, into: memory.means, table: table)
    for c in range { memory.means[offset + c] /= Double(pixels) }
    coefficients.evaluate(
      range, means: memory.means + offset, scale: memory.scale + offset, shift: memory.shift + offset)
    let rows = Elementwise.instanceAffineSums(pixels: pixels, channels: channels)
    let resultSums = memory.sums.assumingMemoryBound(to: Float.self)
    let first = instance * pixels * channels + range.lowerBound
    var task = rbn_affine_task(
      input: output + first, scale: memory.scale + offset + range.lowerBound,
      shift: memory.shift + offset + range.lowerBound, residual: residual.map { $0 + first },
      output: output + first,
      sums: sums == nil ? nil : rows.row(instance, 0, in: resultSums) + range.lowerBound,
      sums_stride: channels, rows: pixels, channels: range.count, row_stride: channels,
      activation: activation.kernel)
    table.affine.function(&task)
    if let sums { rows.reduce(resultSums, instance: instance, range, into: sums, table: table) }
  }
}

/// The scratch memory of a calibration.
struct CalibrationMemory {
  /// Means, or sums on the way to them, (N, C).
  let means: UnsafeMutablePointer<Double>
  let windowScratch: UnsafeMutablePointer<Double>
  /// a and d, (N, C).
  let scale, shift: UnsafeMutablePointer<Float>
  /// (N, C).
  let floatMeans: UnsafeMutablePointer<Float>
  /// (N, taps, input channels).
  let window: UnsafeMutablePointer<Float>
  let sums: UnsafeMutableRawPointer

  init(_ plan: ConvolutionCalibration.Plan, _ start: UnsafeMutableRawPointer) {
    let count = plan.batch * plan.channels
    means = start.assumingMemoryBound(to: Double.self)
    windowScratch = means + count
    scale = UnsafeMutableRawPointer(windowScratch + plan.windowScratch).assumingMemoryBound(to: Float.self)
    shift = scale + count
    floatMeans = shift + count
    window = floatMeans + count
    sums = UnsafeMutableRawPointer(window + plan.batch * plan.windowCount)
  }
}
