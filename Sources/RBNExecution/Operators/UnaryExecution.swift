import RBNGraph
import RBNTensor

extension Unary: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledUnary(function: function, table: node.kernels)
  }
}

private struct CompiledUnary: CompiledOperator {
  let function: Unary.Function
  let table: KernelTable
  var kernel: String { "elementwise \(table.unary.instructionSet)" }
  var acceptsAnyFormat: Bool { true }

  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat {
    (inputs.first ?? nil)?.layoutFormat ?? MemoryFormat(shape)
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let x = try input(inputs, 0)
    let (source, target) = (context.pointer(x), context.pointer(output))
    // A parameter of rank 4 is not channels-last: bring it into the output's order first.
    let isCongruent = x.isCongruent(to: output)
    if !isCongruent {
      StridedCopy(table: table, pool: context.pool).run(
        x.shape, from: source, x.strides, to: target, output.strides)
    }
    let from = isCongruent ? UnsafePointer(source) : UnsafePointer(target)
    let elementwise = Elementwise(table: table, pool: context.pool)
    if let activation = Activation(function) {
      elementwise.unary(activation, from, target, count: output.count)
    } else if function == .pow(exponent: 2) {
      elementwise.binary(.mul, from, from, target, count: output.count)
    } else {
      let reference = function.reference
      elementwise.map(from, target, count: output.count) { Float(reference(Double($0))) }
    }
  }
}
