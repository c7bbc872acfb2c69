import RBNGraph
import RBNTensor

extension Softmax: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledSoftmax(dim: dim, isLogarithmic: false, isSafe: isSafe, table: node.kernels)
  }
}

extension LogSoftmax: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledSoftmax(dim: dim, isLogarithmic: true, isSafe: false, table: node.kernels)
  }
}

/// Rows that lie densely by a vector kernel; others, and logarithms, line by line in float64.
private struct CompiledSoftmax: CompiledOperator {
  let dim: Int
  let isLogarithmic: Bool
  /// Whether a line of nothing but −∞ gives zeros, not NaN.
  let isSafe: Bool
  let table: KernelTable
  var kernel: String {
    isLogarithmic ? "log-softmax in float64" : "softmax \(table.softmaxRows.instructionSet)"
  }
  var acceptsAnyFormat: Bool { true }

  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat {
    (inputs.first ?? nil)?.layoutFormat ?? MemoryFormat(shape)
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let input = try input(inputs, 0)
    let axis = try Softmax(dim: dim).axis(dim, rank: input.shape.rank)
    let size = input.shape.rank > 0 ? input.shape[axis] : 1
    if size == 0 || output.count == 0 { return }
    if !isLogarithmic, input.isCongruent(to: output), input.shape.rank == 0 || input.strides[axis] == 1 {
      return runRows(
        context.pointer(input), context.pointer(output), rows: output.count / size, size, context)
    }
    Lines.forEach(input, axis: axis, output, targetStrides: output.strides, context) { line in
      var largest = -Float.infinity
      for j in 0..<size {
        let value = line.from[j &* line.step]
        if value > largest || value.isNaN { largest = value }
      }
      if isSafe, largest == -.infinity {
        for j in 0..<size { line.to[j &* line.targetStep] = 0 }
        return
      }
      let shift = Double(largest)
      var sum = 0.0
      for j in 0..<size { sum += CFunctions.exp(Double(line.from[j &* line.step]) - shift) }
      let logarithm = isLogarithmic ? CFunctions.log(sum) : 0
      for j in 0..<size {
        let value = Double(line.from[j &* line.step]) - shift
        line.to[j &* line.targetStep] =
          Float(isLogarithmic ? value - logarithm : CFunctions.exp(value) / sum)
      }
    }
  }

  private func runRows(
    _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, rows: Int, _ size: Int,
    _ context: RunContext
  ) {
    let function = table.softmaxRows.function
    let block = max(1, 4096 / size)
    context.pool.parallelFor(count: (rows + block - 1) / block) { index, _ in
      let (first, count) = (index * block, min(block, rows - index * block))
      function(source + first * size, count, size, target + first * size)
      if !isSafe { Self.markUndefined(target + first * size, rows: count, size) }
    }
  }

  /// Makes rows of zeros NaN: the kernel gives them for a row of −∞, and for no other, as the largest element has a weight
  /// of at least 1 / size.
  private static func markUndefined(_ target: UnsafeMutablePointer<Float>, rows: Int, _ size: Int) {
    for row in 0..<rows {
      let weights = UnsafeMutableBufferPointer(start: target + row * size, count: size)
      if weights.allSatisfy({ $0 == 0 }) { weights.update(repeating: .nan) }
    }
  }
}
