import RBNGraph
import RBNTensor

extension Linear: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    guard let weight = try node.parameter(1, "weight") else {
      throw RBNError(.malformedGraph, .model, "the linear layer has no weight")
    }
    return CompiledLinear(
      packed: try PackedLinear(weight: weight, bias: try node.parameter(2, "bias"), table: node.kernels))
  }
}

private struct CompiledLinear: CompiledOperator {
  let packed: PackedLinear
  var kernel: String { "linear" }
  var consumedParameters: Set<Int> { [1, 2] }
  var packedByteCount: Int { packed.byteCount }

  private func rows(_ output: Operand) -> Int { output.count / max(packed.outFeatures, 1) }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    let own = try packed.scratchByteCount(batch: rows(output), threads: threads)
    let x = try input(inputs, 0)
    return own + (needsCopy(x) ? 2 * (try x.shape.byteCount(of: .float32)) + output.count * 4 : 0)
  }

  /// An image value's last dimension is not its innermost in memory.
  private func needsCopy(_ operand: Operand) -> Bool { operand.format == .channelsLast }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let x = try input(inputs, 0)
    let rows = rows(output)
    guard needsCopy(x) else {
      try packed.run(
        input: context.pointer(x), batch: rows, output: context.pointer(output), scratch: context.scratch,
        pool: context.pool)
      return
    }
    let dense = context.scratch.assumingMemoryBound(to: Float.self)
    let result = dense + x.count
    StridedIteration.copy(
      shape: x.shape, from: context.pointer(x), x.strides, to: dense, x.shape.contiguousStrides)
    // The packed kernel's scratch begins on a cache line.
    let used = (x.count + output.count) * MemoryLayout<Float>.size
    let aligned = (used + TensorStorage.alignment - 1) / TensorStorage.alignment * TensorStorage.alignment
    try packed.run(
      input: dense, batch: rows, output: result, scratch: context.scratch + aligned, pool: context.pool)
    StridedIteration.copy(
      shape: output.shape, from: result, output.shape.contiguousStrides, to: context.pointer(output),
      output.strides)
  }
}
