import RBNGraph
import RBNTensor

extension Linear: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    guard let weight = try node.parameter(1, "weight") else {
      throw RBNError(.malformedGraph, .model, "the linear layer has no weight")
    }
    return CompiledLinear(
      packed: try PackedLinear(weight: weight, bias: try node.parameter(2, "bias"), table: node.kernels),
      table: node.kernels)
  }
}

private struct CompiledLinear: CompiledOperator {
  let packed: PackedLinear
  let table: KernelTable
  /// The split of the work, once the sizes are known.
  var plan: (any PlannedConv2d)?

  var kernel: String { "linear \(packed.conv.description)" }
  var consumedParameters: Set<Int> { [1, 2] }
  var packedByteCount: Int { packed.byteCount }

  var acceptsAnyFormat: Bool { true }

  init(packed: PackedLinear, table: KernelTable) {
    self.packed = packed
    self.table = table
  }

  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat { .contiguous }

  func specialized(_ inputs: [Operand?], _ output: Operand, threads: Int, collectsSums: Bool) throws
    -> any CompiledOperator
  {
    var copy = self
    copy.plan = try packed.plan(batch: rows(output), threads: threads)
    return copy
  }

  private func rows(_ output: Operand) -> Int { output.count / max(packed.outFeatures, 1) }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    let plan = try plan ?? packed.plan(batch: rows(output), threads: threads)
    return TensorStorage.aligned(plan.scratchByteCount)
      + (try RowMajorScratch.byteCount([try input(inputs, 0), output]))
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let plan = try plan ?? packed.plan(batch: rows(output), threads: context.pool.threads)
    let own = TensorStorage.aligned(plan.scratchByteCount)
    var scratch = RowMajorScratch(context.advanced(by: own), table)
    let source = scratch.source(try input(inputs, 0))
    scratch.withTarget(output) { target in
      plan.run(
        input: source, output: target, epilogue: Conv2dEpilogue(), scratch: context.scratch,
        pool: context.pool)
    }
  }
}
