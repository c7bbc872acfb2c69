import RBNGraph
import RBNTensor

extension Concat: DataMovement {
  /// Pixels that are one piece of work.
  private static let pixelsPerPiece = 64

  package func move(_ inputs: [Operand?], _ output: Operand, _ context: RunContext, _ copy: StridedCopy)
    throws
  {
    let axis = try axis(dim, rank: output.shape.rank)
    let operands = try inputs.indices.map { try input(inputs, $0) }
    if axis == 1, ([output] + operands).allSatisfy({ $0.format == .channelsLast && $0.shape.rank == 4 }) {
      return joinChannels(operands, output, context)
    }
    let strides = output.strides
    var position = 0
    for input in operands {
      let start = output.shape.rank > 0 ? position &* strides[axis] : 0
      copy.run(
        input.shape, from: context.pointer(input), input.strides, to: context.pointer(output) + start, strides
      )
      position += output.shape.rank > 0 ? input.shape[axis] : 0
    }
  }

  /// Images with their channels last: one loop over the pixels for all inputs, of which dense blocks have dozens.
  private func joinChannels(_ inputs: [Operand], _ output: Operand, _ context: RunContext) {
    let (batch, channels, height, width) = output.image
    let target = context.pointer(output)
    let sources = inputs.map { (pointer: context.pointer($0), channels: $0.shape[1]) }
    let pixels = batch * height * width
    context.pool.parallelFor(count: (pixels + Self.pixelsPerPiece - 1) / Self.pixelsPerPiece) { piece, _ in
      let first = piece * Self.pixelsPerPiece
      let last = min(first + Self.pixelsPerPiece, pixels)
      var position = 0
      for source in sources {
        for pixel in first..<last {
          (target + pixel &* channels + position).update(
            from: source.pointer + pixel &* source.channels, count: source.channels)
        }
        position += source.channels
      }
    }
  }
}
