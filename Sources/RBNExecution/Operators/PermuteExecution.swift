import RBNGraph
import RBNTensor

extension Permute: DataMovement {
  /// The strides of the output's dimensions in the input's memory.
  private func strides(_ input: Operand) throws -> [Int] {
    let strides = input.strides
    return try order(rank: input.shape.rank).map { strides[$0] }
  }

  package func aliasedInput(_ inputs: [Operand?], _ output: Operand) -> Int? {
    guard let input = inputs.first ?? nil, let strides = try? strides(input) else { return nil }
    return zip(strides, output.strides).enumerated().allSatisfy { axis, pair in
      pair.0 == pair.1 || output.shape[axis] == 1
    } ? 0 : nil
  }

  package func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat {
    guard shape.rank == 4, let input = inputs.first ?? nil, let strides = try? strides(input) else {
      return MemoryFormat(shape)
    }
    // The format whose innermost dimension is the input's.
    return strides[1] == 1 ? .channelsLast : .contiguous
  }

  package func move(_ inputs: [Operand?], _ output: Operand, _ context: RunContext, _ copy: StridedCopy)
    throws
  {
    let input = try input(inputs)
    copy.run(
      output.shape, from: context.pointer(input), try strides(input), to: context.pointer(output),
      output.strides)
  }
}
