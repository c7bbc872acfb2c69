import RBNGraph
import RBNTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension InstanceAffine: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    guard let coefficients = try node.channelVector(1, "coefficients") else {
      throw RBNError(.malformedGraph, .model, "the coefficients are missing")
    }
    return CompiledInstanceAffine(
      coefficients: InstanceCoefficients(coefficients, hasSigmoid: hasSigmoid), hasMean: hasMean,
      activation: try activation.map { try node.activation($0) } ?? .identity, table: node.kernels)
  }
}

/// The coefficients of ``InstanceAffine``, evaluated for the means of an instance.
struct InstanceCoefficients: Sendable {
  let channels: Int
  let hasSigmoid: Bool
  private let rows: [Double]

  init(_ rows: [Double], hasSigmoid: Bool) {
    channels = rows.count / InstanceAffine.Row.allCases.count
    self.rows = rows
    self.hasSigmoid = hasSigmoid
  }

  /// a(n,c) and d(n,c) in float32, from means in float64: O(N · C).
  func evaluate(
    batch: Int, means: UnsafePointer<Double>?, scale: UnsafeMutablePointer<Float>,
    shift: UnsafeMutablePointer<Float>
  ) {
    func row(_ row: InstanceAffine.Row, _ channel: Int) -> Double { rows[row.rawValue * channels + channel] }
    for n in 0..<batch {
      for c in 0..<channels {
        let i = n * channels + c
        let m = means?[i] ?? 0
        var (a, d) = (row(.alpha0, c), row(.gamma0, c) * m + row(.beta, c))
        if hasSigmoid {
          let s = 1 / (1 + exp(-(row(.p, c) * m + row(.q, c))))
          a += row(.alpha, c) * s
          d += s * (row(.gamma, c) * m + row(.delta, c))
        }
        scale[i] = Float(a)
        shift[i] = Float(d)
      }
    }
  }
}

/// One reduction for the means, then one multiply-add an element with residual and activation.
private struct CompiledInstanceAffine: CompiledOperator {
  let coefficients: InstanceCoefficients
  let hasMean: Bool
  let activation: Activation
  let table: KernelTable

  var kernel: String {
    (hasMean ? "channel sums + affine " : "affine ") + table.affine.instructionSet.description
  }
  var consumedParameters: Set<Int> { [1] }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    InstanceScratch(output.image).byteCount
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let source = try input(inputs, 0)
    let x = source.image
    let scratch = InstanceScratch(x)
    if hasMean { scratch.computeMeans(context.pointer(source), table, context) }
    coefficients.evaluate(
      batch: x.batch, means: hasMean ? scratch.means(context) : nil, scale: scratch.scale(context),
      shift: scratch.shift(context))
    let residual = inputs.count > 2 ? inputs[2] : nil
    Elementwise(table: table, pool: context.pool).instanceAffine(
      context.pointer(source), scale: scratch.scale(context), shift: scratch.shift(context),
      residual: residual.map { UnsafePointer(context.pointer($0)) }, activation: activation,
      context.pointer(output), batch: x.batch, pixels: x.height * x.width, channels: x.channels)
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
  private var sumsOffset: Int { count * 16 }

  var byteCount: Int {
    sumsOffset + ChannelSums.scratchByteCount(batch: batch, pixels: pixels, channels: channels)
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
      scratch: context.scratch + sumsOffset)
    for i in 0..<count { means[i] /= Double(pixels) }
  }
}
