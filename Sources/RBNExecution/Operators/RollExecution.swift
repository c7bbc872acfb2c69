import RBNGraph
import RBNTensor

extension Roll: DataMovement {
  /// Every dimension is two runs: what moves up, and what comes back at the beginning.
  package func move(_ inputs: [Operand?], _ output: Operand, _ context: RunContext, _ copy: StridedCopy)
    throws
  {
    let input = try input(inputs)
    let offsets = try offsets(input.shape)
    let (sourceStrides, targetStrides) = (input.strides, output.strides)
    let rolled = offsets.indices.filter { offsets[$0] > 0 }
    for choice in 0..<(1 << rolled.count) {
      var shape = input.shape
      var (from, to) = (0, 0)
      for (bit, axis) in rolled.enumerated() {
        let (size, offset) = (input.shape[axis], offsets[axis])
        if choice >> bit & 1 == 0 {
          shape.dimensions[axis] = size - offset
          to += offset &* targetStrides[axis]
        } else {
          shape.dimensions[axis] = offset
          from += (size - offset) &* sourceStrides[axis]
        }
      }
      copy.run(
        shape, from: context.pointer(input) + from, sourceStrides, to: context.pointer(output) + to,
        targetStrides)
    }
  }
}
