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
  /// The split of the work, once the sizes are known.
  var plan: (any PlannedConv2d)?

  var kernel: String { "linear \(packed.conv.description)" }
  var consumedParameters: Set<Int> { [1, 2] }
  var packedByteCount: Int { packed.byteCount }

  init(packed: PackedLinear) { self.packed = packed }

  func specialized(_ inputs: [Operand?], _ output: Operand, threads: Int, collectsSums: Bool) throws
    -> any CompiledOperator
  {
    var copy = self
    copy.plan = try packed.plan(batch: rows(output), threads: threads)
    return copy
  }

  private func rows(_ output: Operand) -> Int { output.count / max(packed.outFeatures, 1) }

  /// An image value's last dimension is not its innermost in memory.
  private func needsCopy(_ operand: Operand) -> Bool { operand.format == .channelsLast }

  /// The bytes of dense copies of input and output; the kernel's scratch follows on a cache line.
  private func copiesByteCount(_ x: Operand, _ output: Operand) -> Int {
    guard needsCopy(x) else { return 0 }
    let used = (x.count + output.count) * MemoryLayout<Float>.size
    return (used + TensorStorage.alignment - 1) / TensorStorage.alignment * TensorStorage.alignment
  }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    let plan = try plan ?? packed.plan(batch: rows(output), threads: threads)
    return plan.scratchByteCount + copiesByteCount(try input(inputs, 0), output)
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let x = try input(inputs, 0)
    let plan = try plan ?? packed.plan(batch: rows(output), threads: context.pool.threads)
    let copies = copiesByteCount(x, output)
    let epilogue = Conv2dEpilogue()
    guard copies > 0 else {
      plan.run(
        input: context.pointer(x), output: context.pointer(output), epilogue: epilogue,
        scratch: context.scratch, pool: context.pool)
      return
    }
    let dense = context.scratch.assumingMemoryBound(to: Float.self)
    let result = dense + x.count
    StridedIteration.copy(
      shape: x.shape, from: context.pointer(x), x.strides, to: dense, x.shape.contiguousStrides)
    plan.run(
      input: dense, output: result, epilogue: epilogue, scratch: context.scratch + copies, pool: context.pool)
    StridedIteration.copy(
      shape: output.shape, from: result, output.shape.contiguousStrides, to: context.pointer(output),
      output.strides)
  }
}
