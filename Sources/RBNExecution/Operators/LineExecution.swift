import RBNGraph
import RBNTensor

// Operators that look at one line of elements after another: argmax, topk, cumsum.

extension ArgReduction: ExecutableOperator, CompiledOperator {
  package var kernel: String { "\(function)" }
  package var acceptsAnyFormat: Bool { true }

  package func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let input = try input(inputs, 0)
    guard let dim else { return runOverAll(input, output, context) }
    let axis = try axis(dim, rank: input.shape.rank)
    let count = input.shape.rank > 0 ? input.shape[axis] : 1
    let targetStrides = output.strides(reducing: input.shape.rank > 0 ? [axis] : [], of: input)
    let isMaximum = function == .argmax
    Lines.forEach(input, axis: axis, output, targetStrides: targetStrides, context) { line in
      var best = 0
      for j in 1..<max(count, 1) {
        let (value, largest) = (line.from[j &* line.step], line.from[best &* line.step])
        if largest.isNaN { break }
        if value.isNaN || (isMaximum ? value > largest : value < largest) { best = j }
      }
      line.to[0] = Float(best)
    }
  }

  /// In the order of the dimensions, whatever the order in memory.
  private func runOverAll(_ input: Operand, _ output: Operand, _ context: RunContext) {
    let source = context.pointer(input)
    var best: (value: Float, position: Int)?
    let isMaximum = function == .argmax
    StridedIteration(shape: input.shape, strides: [input.shape.contiguousStrides, input.strides]).forEachRow {
      row in
      for i in 0..<row.count {
        let value = source[row.offsets.1 + i &* row.strides.1]
        guard let known = best else {
          best = (value, row.offsets.0 + i &* row.strides.0)
          continue
        }
        if known.value.isNaN { continue }
        if value.isNaN || (isMaximum ? value > known.value : value < known.value) {
          best = (value, row.offsets.0 + i &* row.strides.0)
        }
      }
    }
    context.pointer(output)[0] = Float(best?.position ?? 0)
  }
}

extension TopK: ExecutableOperator, CompiledOperator {
  package var kernel: String { "sort" }
  package var acceptsAnyFormat: Bool { true }

  package func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let input = try input(inputs, 0)
    let axis = try axis(dim, rank: input.shape.rank)
    let count = input.shape.rank > 0 ? input.shape[axis] : 1
    Lines.forEach(input, axis: axis, output, targetStrides: output.strides, context) { line in
      let elements = (0..<count).map { (value: Double(line.from[$0 &* line.step]), position: $0) }
      for (place, element) in elements.sorted(by: precedes).prefix(k).enumerated() {
        line.to[place &* line.targetStep] = givesIndices ? Float(element.position) : Float(element.value)
      }
    }
  }
}

extension Cumsum: ExecutableOperator, CompiledOperator {
  package var kernel: String { "running sum in float64" }
  package var acceptsAnyFormat: Bool { true }

  package func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let input = try input(inputs, 0)
    let axis = try axis(dim, rank: input.shape.rank)
    let count = input.shape.rank > 0 ? input.shape[axis] : 1
    Lines.forEach(input, axis: axis, output, targetStrides: output.strides, context) { line in
      var sum = 0.0
      for j in 0..<count {
        sum += Double(line.from[j &* line.step])
        line.to[j &* line.targetStep] = Float(sum)
      }
    }
  }
}
