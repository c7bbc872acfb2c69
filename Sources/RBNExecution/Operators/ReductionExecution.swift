import RBNGraph
import RBNTensor

extension Reduction: ExecutableOperator, CompiledOperator {
  package var kernel: String { "\(function) in float64" }

  /// A mean over H and W comes from the channel sums of its input.
  package func summedInput(_ inputs: [Operand?]) -> Int? {
    guard function == .mean, let x = inputs.first ?? nil, x.shape.rank == 4, let axes = try? axes(rank: 4),
      axes == [2, 3]
    else { return nil }
    return 0
  }

  package func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    try output.shape.byteCount(of: .float64)
  }

  package func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let input = try input(inputs, 0)
    let axes = try axes(rank: input.shape.rank)
    if let sums = context.inputSums {
      let pixels = Double(input.shape[2] * input.shape[3])
      let out = context.pointer(output)
      for i in 0..<output.count { out[i] = Float(sums[i] / pixels) }
      return
    }
    // The output seen with the input's rank: stride 0 along what is reduced.
    let kept = Shape(input.shape.indices.map { axes.contains($0) ? 1 : input.shape[$0] })
    let keptLayout = output.shape.rank == kept.rank ? output.format : .contiguous
    let keptStrides = keptLayout.strides(kept)
    let outputStrides = input.shape.indices.map { axes.contains($0) ? 0 : keptStrides[$0] }

    let sums = context.scratch.assumingMemoryBound(to: Double.self)
    sums.update(repeating: 0, count: output.count)
    let source = context.pointer(input)
    StridedIteration(shape: input.shape, strides: [input.strides, outputStrides]).forEachRow { row in
      let from = source + row.offsets.0
      let to = sums + row.offsets.1
      for i in 0..<row.count { to[i &* row.strides.1] += Double(from[i &* row.strides.0]) }
    }
    let reduced = axes.reduce(1) { $0 &* input.shape[$1] }
    let divisor = function == .mean ? Double(reduced) : 1
    let out = context.pointer(output)
    for i in 0..<output.count { out[i] = Float(sums[i] / divisor) }
  }
}
