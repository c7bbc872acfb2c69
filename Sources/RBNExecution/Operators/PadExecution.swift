import RBNGraph
import RBNTensor

extension Pad: DataMovement {
  package func move(_ inputs: [Operand?], _ output: Operand, _ context: RunContext, _ copy: StridedCopy)
    throws
  {
    let input = try input(inputs)
    let destination = context.pointer(output)
    if mode == .constant { destination.update(repeating: Float(value), count: output.count) }
    // The part of the input that stays, and where it goes: negative padding crops.
    var (from, to) = (0, 0)
    var kept: [Int] = []
    let (sourceStrides, targetStrides) = (input.strides, output.strides)
    for axis in input.shape.indices {
      let (before, after) = amounts(axis: axis, rank: input.shape.rank)
      kept.append(max(input.shape[axis] + min(before, 0) + min(after, 0), 0))
      from += max(-before, 0) &* sourceStrides[axis]
      to += max(before, 0) &* targetStrides[axis]
    }
    if kept.contains(0) {
      guard mode == .constant else { throw mirrorsWhatItCrops() }
      return
    }
    copy.run(
      Shape(kept), from: context.pointer(input) + from, sourceStrides, to: destination + to, targetStrides)
    guard mode != .constant else { return }
    // One dimension after another: what is filled before has its corners filled by the next.
    var filled = Shape(kept)
    for axis in input.shape.indices.reversed() {
      try fill(axis, &filled, input, output, kept[axis], destination, copy)
    }
  }

  /// Copies into the new positions of one dimension those they come from, over what is filled of the other dimensions.
  private func fill(
    _ axis: Int, _ filled: inout Shape, _ input: Operand, _ output: Operand, _ kept: Int,
    _ destination: UnsafeMutablePointer<Float>, _ copy: StridedCopy
  ) throws {
    let rank = input.shape.rank
    let strides = output.strides
    let (before, _) = amounts(axis: axis, rank: rank)
    // Where the filled block begins: dimensions behind are whole by now.
    var start = 0
    for other in 0..<axis { start += max(amounts(axis: other, rank: rank).before, 0) &* strides[other] }
    var slab = filled
    slab.dimensions[axis] = 1
    for position in 0..<output.shape[axis] {
      let inner = position - max(before, 0)
      guard inner < 0 || inner >= kept else { continue }
      // With cropping on the other side the source is still counted in the input.
      guard let source = source(position - before, size: input.shape[axis]) else { continue }
      let from = source + before
      guard from >= 0, from < output.shape[axis] else { throw mirrorsWhatItCrops() }
      copy.run(
        slab, from: destination + start + from &* strides[axis], strides,
        to: destination + start + position &* strides[axis], strides)
    }
    filled.dimensions[axis] = output.shape[axis]
  }

  private func mirrorsWhatItCrops() -> RBNError {
    RBNError(.unsupportedOperator, .model, location: name, "mirrors elements that it crops")
  }
}
