import RBNGraph
import RBNTensor

extension Flip: DataMovement {
  /// Reads backwards: from the last element with negative strides.
  package func move(_ inputs: [Operand?], _ output: Operand, _ context: RunContext, _ copy: StridedCopy)
    throws
  {
    let input = try input(inputs)
    var strides = input.strides
    var start = 0
    for axis in try axes(rank: input.shape.rank) {
      start += max(input.shape[axis] - 1, 0) &* strides[axis]
      strides[axis] = -strides[axis]
    }
    copy.run(
      output.shape, from: context.pointer(input) + start, strides, to: context.pointer(output), output.strides
    )
  }
}
