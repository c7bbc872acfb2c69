import RBNGraph
import RBNTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension Unary: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledUnary(function: function, table: node.kernels)
  }
}

private struct CompiledUnary: CompiledOperator {
  let function: Unary.Function
  let table: KernelTable
  var kernel: String { "elementwise \(table.unary.instructionSet)" }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let x = try input(inputs, 0)
    let (source, target) = (context.pointer(x), context.pointer(output))
    // A parameter of rank 4 is not channels-last: bring it into the output's order first.
    let isCongruent = x.isCongruent(to: output)
    if !isCongruent {
      StridedIteration.copy(shape: x.shape, from: source, x.strides, to: target, output.strides)
    }
    let from = isCongruent ? source : target
    if let activation = Activation(function) {
      Elementwise(table: table, pool: context.pool).unary(activation, from, target, count: output.count)
    } else if case .pow(let exponent) = function {
      for i in 0..<output.count { target[i] = Float(pow(Double(from[i]), exponent)) }
    }
  }
}
