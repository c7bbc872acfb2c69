import RBNGraph
import RBNTensor

extension InstanceAffine: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    guard let coefficients = try node.channelVector(1, "coefficients") else {
      throw RBNError(.malformedGraph, .model, "the coefficients are missing")
    }
    return CompiledInstanceAffine(
      calibration: ChannelCalibration(
        rows: coefficients, hasSigmoid: hasSigmoid, hasMean: hasMean, table: node.kernels),
      activation: try activation.map { try node.activation($0) } ?? .identity, table: node.kernels)
  }
}

/// One multiply-add an element with residual and activation, from the sums of the input.
private struct CompiledInstanceAffine: CompiledOperator {
  let calibration: ChannelCalibration
  let activation: Activation
  let table: KernelTable

  var kernel: String {
    (calibration.hasMean ? "channel sums + affine " : "affine ") + table.affine.instructionSet.description
  }
  var consumedParameters: Set<Int> { [1] }
  var collectsOutputSums: Bool { true }

  func summedInput(_ inputs: [Operand?]) -> Int? { calibration.hasMean ? 0 : nil }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    let x = output.image
    return InstanceScratch(x).coefficientsByteCount
      + Elementwise.instanceAffineScratchByteCount(
        batch: x.batch, pixels: x.height * x.width, channels: x.channels)
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let source = try input(inputs, 0)
    let x = source.image
    let scratch = InstanceScratch(x)
    let pixels = x.height * x.width
    if calibration.hasMean && context.inputSums == nil {
      throw RBNError(.malformedGraph, .model, "the sums of the input are missing")
    }
    calibration.evaluate(
      batch: x.batch, sums: context.inputSums, pixels: pixels, means: scratch.means(context),
      scale: scratch.scale(context), shift: scratch.shift(context), pool: context.pool)
    let residual = inputs.count > 2 ? inputs[2] : nil
    Elementwise(table: table, pool: context.pool).instanceAffine(
      context.pointer(source), scale: scratch.scale(context), shift: scratch.shift(context),
      residual: residual.map { UnsafePointer(context.pointer($0)) }, activation: activation,
      context.pointer(output), batch: x.batch, pixels: pixels, channels: x.channels,
      sums: context.outputSums, scratch: context.scratch + scratch.coefficientsByteCount)
  }
}

/// The scratch memory of a per-instance affine map: means (N, C) in float64, scale and shift (N, C), and what sums need.
struct InstanceScratch {
  let batch: Int
  let channels: Int
  let pixels: Int

  init(_ image: (batch: Int, channels: Int, height: Int, width: Int)) {
    batch = image.batch
    channels = image.channels
    pixels = image.height * image.width
  }

  private var count: Int { batch * channels }
  /// Bytes of means, scale and shift.
  var coefficientsByteCount: Int { count * 16 }

  var byteCount: Int {
    coefficientsByteCount + ChannelSums.scratchByteCount(batch: batch, pixels: pixels, channels: channels)
  }

  func means(_ context: RunContext) -> UnsafeMutablePointer<Double> {
    context.scratch.assumingMemoryBound(to: Double.self)
  }
  func scale(_ context: RunContext) -> UnsafeMutablePointer<Float> {
    (context.scratch + count * 8).assumingMemoryBound(to: Float.self)
  }
  func shift(_ context: RunContext) -> UnsafeMutablePointer<Float> {
    (context.scratch + count * 12).assumingMemoryBound(to: Float.self)
  }

  func computeMeans(_ input: UnsafePointer<Float>, _ table: KernelTable, _ context: RunContext) {
    let means = means(context)
    ChannelSums(table: table, pool: context.pool).run(
      input: input, batch: batch, pixels: pixels, channels: channels, sums: means,
      scratch: context.scratch + coefficientsByteCount)
    for i in 0..<count { means[i] /= Double(pixels) }
  }
}
