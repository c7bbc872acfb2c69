import RBNGraph
import RBNTensor

/// An operator that only moves elements: one or more strided copies.
private protocol DataMovement: ExecutableOperator {
  func move(_ inputs: [Operand?], _ output: Operand, _ context: RunContext, _ copy: StridedCopy) throws

  /// The input that the output is, unmoved.
  func aliasedInput(_ inputs: [Operand?], _ output: Operand) -> Int?

  /// The format in which the least is moved.
  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat
}

extension DataMovement {
  func aliasedInput(_ inputs: [Operand?], _ output: Operand) -> Int? { nil }

  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat {
    guard let input = inputs.first ?? nil, input.shape.rank == shape.rank else { return MemoryFormat(shape) }
    return input.layoutFormat
  }

  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledMovement(op: self, table: node.kernels)
  }

  /// A required input; the planner has checked that it is there.
  fileprivate func input(_ inputs: [Operand?], _ index: Int = 0) throws -> Operand {
    guard index < inputs.count, let operand = inputs[index] else {
      throw RBNError(.malformedGraph, .model, location: name, "its input \(index) is missing")
    }
    return operand
  }
}

private struct CompiledMovement<Op: DataMovement>: CompiledOperator {
  let op: Op
  let table: KernelTable
  var kernel: String { "strided copy" }
  var acceptsAnyFormat: Bool { true }

  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat { op.outputFormat(inputs, shape) }
  func aliasedInput(_ inputs: [Operand?], _ output: Operand) -> Int? { op.aliasedInput(inputs, output) }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    guard op is any RowMajorCopy, let input = inputs.first ?? nil, !input.isRowMajor, !output.isRowMajor
    else { return 0 }
    return try output.shape.byteCount(of: .float32)
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    try op.move(inputs, output, context, StridedCopy(table: table, pool: context.pool))
  }
}

/// A copy in row-major order into another shape: reshape, flatten, alias.
private protocol RowMajorCopy: DataMovement {}

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

extension Reshape: RowMajorCopy {}
extension Flatten: RowMajorCopy {}
extension Identity: RowMajorCopy {}

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

extension Expand: DataMovement {
  package func move(_ inputs: [Operand?], _ output: Operand, _ context: RunContext, _ copy: StridedCopy)
    throws
  {
    let input = try input(inputs)
    let strides = Broadcast.strides(of: input, in: output.shape)
    copy.run(output.shape, from: context.pointer(input), strides, to: context.pointer(output), output.strides)
  }
}

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

extension Concat: DataMovement {
  package func move(_ inputs: [Operand?], _ output: Operand, _ context: RunContext, _ copy: StridedCopy)
    throws
  {
    let axis = try axis(dim, rank: output.shape.rank)
    let strides = output.strides
    var position = 0
    for index in inputs.indices {
      let input = try input(inputs, index)
      let start = output.shape.rank > 0 ? position &* strides[axis] : 0
      copy.run(
        input.shape, from: context.pointer(input), input.strides, to: context.pointer(output) + start, strides
      )
      position += output.shape.rank > 0 ? input.shape[axis] : 0
    }
  }
}

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
    if kept.contains(0) { return }
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
      guard from >= 0, from < output.shape[axis] else {
        throw RBNError(.unsupportedOperator, .model, location: name, "mirrors elements that it crops")
      }
      copy.run(
        slab, from: destination + start + from &* strides[axis], strides,
        to: destination + start + position &* strides[axis], strides)
    }
    filled.dimensions[axis] = output.shape[axis]
  }
}

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

/// Strides for reading an operand under a broadcast shape.
enum Broadcast {
  static func strides(of operand: Operand, in shape: Shape) -> [Int] {
    let own = operand.strides
    let added = shape.rank - operand.shape.rank
    return shape.indices.map { axis in
      guard axis >= added, operand.shape[axis - added] != 1 else { return 0 }
      return own[axis - added]
    }
  }
}
