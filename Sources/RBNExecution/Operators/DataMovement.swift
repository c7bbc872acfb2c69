import RBNGraph
import RBNTensor

/// An operator that only moves elements: one or more strided copies.
protocol DataMovement: ExecutableOperator {
  func move(_ inputs: [Operand?], _ output: Operand, _ context: RunContext, _ copy: StridedCopy) throws

  /// The input that the output is, unmoved.
  func aliasedInput(_ inputs: [Operand?], _ output: Operand) -> Int?

  /// The format in which the least is moved.
  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat
}

extension DataMovement {
  func aliasedInput(_ inputs: [Operand?], _ output: Operand) -> Int? { nil }

  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat {
    guard let input = inputs.first ?? nil, input.shape.rank == shape.rank else { return MemoryFormat(shape) }
    return input.layoutFormat
  }

  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledMovement(op: self, table: node.kernels)
  }

  /// A required input; the planner has checked that it is there.
  func input(_ inputs: [Operand?], _ index: Int = 0) throws -> Operand {
    guard index < inputs.count, let operand = inputs[index] else {
      throw RBNError(.malformedGraph, .model, location: name, "its input \(index) is missing")
    }
    return operand
  }
}

private struct CompiledMovement<Op: DataMovement>: CompiledOperator {
  let op: Op
  let table: KernelTable
  var kernel: String { "strided copy" }
  var acceptsAnyFormat: Bool { true }

  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat { op.outputFormat(inputs, shape) }
  func aliasedInput(_ inputs: [Operand?], _ output: Operand) -> Int? { op.aliasedInput(inputs, output) }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    guard op is any RowMajorCopy, let input = inputs.first ?? nil, !input.isRowMajor, !output.isRowMajor
    else { return 0 }
    return try output.shape.byteCount(of: .float32)
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    try op.move(inputs, output, context, StridedCopy(table: table, pool: context.pool))
  }
}
