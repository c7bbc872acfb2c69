import RBNGraph
import RBNTensor

extension Expand: DataMovement {
  package func move(_ inputs: [Operand?], _ output: Operand, _ context: RunContext, _ copy: StridedCopy)
    throws
  {
    let input = try input(inputs)
    let strides = Broadcast.strides(of: input, in: output.shape)
    copy.run(output.shape, from: context.pointer(input), strides, to: context.pointer(output), output.strides)
  }
}
