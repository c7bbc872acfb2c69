import RBNGraph
import RBNTensor

extension ChannelShuffle: DataMovement {
  /// Pixels that are one piece of work.
  private static let pixelsPerPiece = 64

  package func move(_ inputs: [Operand?], _ output: Operand, _ context: RunContext, _ copy: StridedCopy)
    throws
  {
    let input = try input(inputs)
    let (source, target) = (context.pointer(input), context.pointer(output))
    let (batch, channels, height, width) = output.image
    let size = channels / groups
    guard input.format == .channelsLast, output.format == .channelsLast else {
      let (from, to) = (input.strides, output.strides)
      return copy.run(
        [batch, size, groups, height, width], from: source,
        [from[0], from[1], size &* from[1], from[2], from[3]],
        to: target, [to[0], groups &* to[1], to[1], to[2], to[3]])
    }
    let pixels = batch * height * width
    let pieces = (pixels + Self.pixelsPerPiece - 1) / Self.pixelsPerPiece
    context.pool.parallelFor(count: pieces) { piece, _ in
      let first = piece * Self.pixelsPerPiece
      for pixel in first..<min(first + Self.pixelsPerPiece, pixels) {
        let (from, to) = (source + pixel &* channels, target + pixel &* channels)
        for group in 0..<groups {
          for index in 0..<size { to[index &* groups &+ group] = from[group &* size &+ index] }
        }
      }
    }
  }
}
