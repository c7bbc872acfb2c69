import RBNGraph
import RBNTensor

extension Where: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledWhere(table: node.kernels)
  }
}

/// Everything from the second tensor, then the first one's where the condition holds.
private struct CompiledWhere: CompiledOperator {
  let table: KernelTable
  var kernel: String { "select" }
  var acceptsAnyFormat: Bool { true }

  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat {
    inputs.compactMap { $0 }.first { $0.shape == shape }?.layoutFormat ?? MemoryFormat(shape)
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let (condition, a, b) = (try input(inputs, 0), try input(inputs, 1), try input(inputs, 2))
    let out = context.pointer(output)
    func strides(_ operand: Operand) -> [Int] { Broadcast.strides(of: operand, in: output.shape) }
    StridedCopy(table: table, pool: context.pool).run(
      output.shape, from: context.pointer(b), strides(b), to: out, output.strides)
    let (holds, values) = (context.pointer(condition), context.pointer(a))
    StridedIteration.parallelRows(
      shape: output.shape, strides: [output.strides, strides(condition), strides(a)], pool: context.pool
    ) { row in
      let (to, test, from) = (out + row.offsets.0, holds + row.offsets.1, values + row.offsets.2)
      for i in 0..<row.count where test[i &* row.strides.1] != 0 {
        to[i &* row.strides.0] = from[i &* row.strides.2]
      }
    }
  }
}

extension Cast: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledCast(dtype: dtype, table: node.kernels)
  }
}

/// Integers and booleans are float32 numbers too: rounding is all there is to do.
private struct CompiledCast: CompiledOperator {
  let dtype: DType
  let table: KernelTable
  var kernel: String { "convert to \(dtype)" }
  var acceptsAnyFormat: Bool { true }

  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat {
    (inputs.first ?? nil)?.layoutFormat ?? MemoryFormat(shape)
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let x = try input(inputs, 0)
    let target = context.pointer(output)
    StridedCopy(table: table, pool: context.pool).run(
      x.shape, from: context.pointer(x), x.strides, to: target, output.strides)
    let elementwise = Elementwise(table: table, pool: context.pool)
    if dtype == .bool {
      elementwise.map(target, target, count: output.count) { $0 != 0 ? 1 : 0 }
    } else if !dtype.isFloatingPoint {
      elementwise.map(target, target, count: output.count) { $0.rounded(.towardZero) }
    }
  }
}
