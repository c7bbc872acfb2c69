import RBNGraph
import RBNTensor

extension Slice: DataMovement {
  package func move(_ inputs: [Operand?], _ output: Operand, _ context: RunContext, _ copy: StridedCopy)
    throws
  {
    let input = try input(inputs)
    let axis = try axis(dim, rank: input.shape.rank)
    var strides = input.strides
    let first = range(size: input.shape[axis]).start &* strides[axis]
    strides[axis] &*= output.shape[axis] > 1 ? step : 1
    copy.run(
      output.shape, from: context.pointer(input) + first, strides, to: context.pointer(output), output.strides
    )
  }
}
