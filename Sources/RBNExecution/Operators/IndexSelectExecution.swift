import RBNGraph
import RBNTensor

extension IndexSelect: DataMovement {
  package func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat { MemoryFormat(shape) }

  package func move(_ inputs: [Operand?], _ output: Operand, _ context: RunContext, _ copy: StridedCopy)
    throws
  {
    let (input, selected) = (try input(inputs), try input(inputs, 1))
    let axis = try axis(dim, rank: input.shape.rank)
    let rank = selected.shape.rank
    let (strides, targetStrides) = (input.strides, output.strides)
    var slab = output.shape
    for inner in 0..<rank { slab.dimensions[axis + inner] = 1 }
    let sourceStrides = strides[..<axis] + [Int](repeating: 0, count: rank) + strides[(axis + 1)...]
    let indices = context.pointer(selected)
    var positions: [(to: Int, index: Int)] = []
    StridedIteration(
      shape: selected.shape, strides: [Array(targetStrides[axis..<(axis + rank)]), selected.strides]
    ).forEachRow { row in
      for i in 0..<row.count {
        positions.append((row.offsets.0 + i &* row.strides.0, row.offsets.1 + i &* row.strides.1))
      }
    }
    for place in positions {
      let position = try position(Double(indices[place.index]), size: input.shape[axis])
      copy.run(
        slab, from: context.pointer(input) + position &* strides[axis], Array(sourceStrides),
        to: context.pointer(output) + place.to, targetStrides)
    }
  }
}
