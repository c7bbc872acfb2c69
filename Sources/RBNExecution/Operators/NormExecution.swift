import CRBNKernels
import RBNGraph
import RBNTensor

extension LayerNorm: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledLayerNorm(
      length: normalizedShape.reduce(1) { $0 &* $1 }, eps: eps, weight: try node.floats(1, "weight"),
      bias: try node.floats(2, "bias"), table: node.kernels)
  }
}

extension NodeContext {
  /// A parameter's elements in float32, or `nil` when the input is absent.
  func floats(_ index: Int, _ label: String) throws -> PackedFloats? {
    try parameter(index, label).map { try PackedFloats(copying: $0.floats) }
  }
}

/// Rows of the last dimensions, which lie together in row-major order.
private struct CompiledLayerNorm: CompiledOperator {
  let length: Int
  let eps: Double
  let weight, bias: PackedFloats?
  let table: KernelTable
  var kernel: String { "layer norm \(table.rowNorm.instructionSet)" }
  var acceptsAnyFormat: Bool { true }
  var consumedParameters: Set<Int> { [1, 2] }

  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat { .contiguous }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    try RowMajorScratch.byteCount([try input(inputs, 0), output])
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    var scratch = RowMajorScratch(context, table)
    let source = scratch.source(try input(inputs, 0))
    let rows = output.count / length
    let block = max(1, 4096 / length)
    let function = table.rowNorm.function
    scratch.withTarget(output) { target in
      context.pool.parallelFor(count: (rows + block - 1) / block) { index, _ in
        let first = index * block
        var task = rbn_row_norm_task(
          input: source + first * length, weight: weight.map { UnsafePointer($0.start) },
          bias: bias.map { UnsafePointer($0.start) }, eps: eps, output: target + first * length,
          rows: min(block, rows - first), columns: length)
        function(&task)
      }
    }
  }
}

extension GroupNorm: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledGroupNorm(
      groups: groups, eps: eps, weight: try node.channelVector(1, "weight"),
      bias: try node.channelVector(2, "bias"), table: node.kernels)
  }
}

/// Sums of the elements and of their squares for each instance and channel, added up over the groups' channels; then one
/// multiply-add an element.
private struct CompiledGroupNorm: CompiledOperator {
  let groups: Int
  let eps: Double
  let weight, bias: [Double]?
  let table: KernelTable
  var kernel: String { "channel sums and squares + affine \(table.affine.instructionSet)" }
  var consumedParameters: Set<Int> { [1, 2] }

  private func scratch(_ operand: Operand) -> InstanceScratch {
    let pixels = operand.shape.dropFirst(2).reduce(1) { $0 &* $1 }
    return InstanceScratch((operand.shape[0], operand.shape[1], pixels, 1))
  }

  /// Values of rank 3, 5, … are (N, C, pixels) in memory: through a channels-last copy.
  private func needsCopy(_ operand: Operand) -> Bool { operand.shape.rank == 3 || operand.shape.rank > 4 }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    let scratch = scratch(output)
    let squares = scratch.batch * scratch.channels * MemoryLayout<Double>.size
    let copies = needsCopy(output) ? 2 * (try output.shape.byteCount(of: .float32)) : 0
    return scratch.byteCount + squares + copies
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let source = try input(inputs, 0)
    let scratch = scratch(source)
    let (batch, channels, pixels) = (scratch.batch, scratch.channels, scratch.pixels)
    let squares = (context.scratch + scratch.byteCount).assumingMemoryBound(to: Double.self)
    let copy = UnsafeMutableRawPointer(squares + batch * channels).assumingMemoryBound(to: Float.self)
    let shape: Shape = [batch, channels, pixels]
    let channelsLast = [channels * pixels, 1, channels]
    let copies = StridedCopy(table: table, pool: context.pool)
    var x = UnsafePointer(context.pointer(source))
    var out = context.pointer(output)
    if needsCopy(source) {
      copies.run(shape, from: x, shape.contiguousStrides, to: copy, channelsLast)
      x = UnsafePointer(copy)
      out = copy + output.count
    }
    scratch.computeMeans(x, table, context)
    let means = scratch.means(context)
    ChannelSums(table: table, pool: context.pool).squares(
      input: x, batch: batch, pixels: pixels, channels: channels, sums: squares)
    evaluate(scratch, means, squares, scale: scratch.scale(context), shift: scratch.shift(context))
    Elementwise(table: table, pool: context.pool).instanceAffine(
      x, scale: scratch.scale(context), shift: scratch.shift(context), out, batch: batch, pixels: pixels,
      channels: channels)
    if needsCopy(source) {
      copies.run(shape, from: out, channelsLast, to: context.pointer(output), shape.contiguousStrides)
    }
  }

  /// The coefficients of each instance and channel. The variance is E[x²] − mean², in float64: its error is 1e-16 · mean².
  private func evaluate(
    _ scratch: InstanceScratch, _ means: UnsafePointer<Double>, _ squares: UnsafePointer<Double>,
    scale: UnsafeMutablePointer<Float>, shift: UnsafeMutablePointer<Float>
  ) {
    let size = scratch.channels / groups
    let elements = Double(size * scratch.pixels)
    for n in 0..<scratch.batch {
      for group in 0..<groups {
        let first = n * scratch.channels + group * size
        let (mean, square) = (first..<first + size).reduce((0.0, 0.0)) {
          ($0.0 + means[$1] / Double(size), $0.1 + squares[$1] / elements)
        }
        let inverse = 1 / (max(square - mean * mean, 0) + eps).squareRoot()
        for i in first..<first + size {
          let channel = i - n * scratch.channels
          let factor = (weight?[channel] ?? 1) * inverse
          scale[i] = Float(factor)
          shift[i] = Float((bias?[channel] ?? 0) - factor * mean)
        }
      }
    }
  }
}
