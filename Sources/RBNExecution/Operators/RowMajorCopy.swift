import RBNGraph
import RBNTensor

/// A copy in row-major order into another shape: reshape, flatten, alias.
protocol RowMajorCopy: DataMovement {}

extension RowMajorCopy {
  package func aliasedInput(_ inputs: [Operand?], _ output: Operand) -> Int? {
    guard let input = inputs.first ?? nil else { return nil }
    return input.isCongruent(to: output) || (input.isRowMajor && output.isRowMajor) ? 0 : nil
  }

  package func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat {
    guard let input = inputs.first ?? nil else { return MemoryFormat(shape) }
    if input.shape == shape { return input.layoutFormat }
    return input.isRowMajor ? .contiguous : MemoryFormat(shape)
  }

  package func move(_ inputs: [Operand?], _ output: Operand, _ context: RunContext, _ copy: StridedCopy)
    throws
  {
    let input = try input(inputs)
    let (source, destination) = (context.pointer(input), context.pointer(output))
    if input.isRowMajor {
      copy.run(output.shape, from: source, output.shape.contiguousStrides, to: destination, output.strides)
    } else if output.isRowMajor {
      copy.run(input.shape, from: source, input.strides, to: destination, input.shape.contiguousStrides)
    } else {
      // Both are channels-last images of different shapes: through row-major scratch.
      let scratch = context.scratch.assumingMemoryBound(to: Float.self)
      copy.run(input.shape, from: source, input.strides, to: scratch, input.shape.contiguousStrides)
      copy.run(output.shape, from: scratch, output.shape.contiguousStrides, to: destination, output.strides)
    }
  }
}
