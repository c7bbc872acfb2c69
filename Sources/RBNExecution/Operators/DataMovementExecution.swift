import RBNGraph
import RBNTensor

// Operators that only move elements: each is one or more strided copies.

extension CompiledOperator {
  /// Copies between two operands' regions of one shape; strides and offsets in elements.
  fileprivate func copy(
    _ shape: Shape, from source: UnsafePointer<Float>, _ sourceStrides: [Int],
    to destination: UnsafeMutablePointer<Float>, _ destinationStrides: [Int]
  ) {
    StridedIteration.copy(shape: shape, from: source, sourceStrides, to: destination, destinationStrides)
  }
}

/// A copy in row-major order into another shape: reshape, flatten, alias.
private protocol RowMajorCopy: ExecutableOperator, CompiledOperator {}

extension RowMajorCopy {
  package func aliasedInput(_ inputs: [Operand?], _ output: Operand) -> Int? {
    guard let input = inputs.first ?? nil else { return nil }
    func isRowMajor(_ operand: Operand) -> Bool {
      operand.format == .contiguous || MemoryFormat.coincide(operand.shape)
    }
    return input.isCongruent(to: output) || (isRowMajor(input) && isRowMajor(output)) ? 0 : nil
  }

  package func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let input = try input(inputs, 0)
    let (source, destination) = (context.pointer(input), context.pointer(output))
    if input.format == .contiguous || MemoryFormat.coincide(input.shape) {
      copy(output.shape, from: source, output.shape.contiguousStrides, to: destination, output.strides)
    } else if output.format == .contiguous || MemoryFormat.coincide(output.shape) {
      copy(input.shape, from: source, input.strides, to: destination, input.shape.contiguousStrides)
    } else {
      // Both are channels-last images of different shapes: through row-major scratch.
      let scratch = context.scratch.assumingMemoryBound(to: Float.self)
      copy(input.shape, from: source, input.strides, to: scratch, input.shape.contiguousStrides)
      copy(output.shape, from: scratch, output.shape.contiguousStrides, to: destination, output.strides)
    }
  }

  package func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    guard let input = inputs.first ?? nil, input.format == .channelsLast, output.format == .channelsLast
    else { return 0 }
    return try output.shape.byteCount(of: .float32)
  }
}

extension Reshape: RowMajorCopy {
  package var kernel: String { "reshape" }
}

extension Flatten: RowMajorCopy {
  package var kernel: String { "flatten" }
}

extension Identity: RowMajorCopy {
  package var kernel: String { "alias" }
}

extension Permute: ExecutableOperator, CompiledOperator {
  package var kernel: String { "strided copy" }

  package func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let input = try input(inputs, 0)
    let strides = input.strides
    let permuted = try order(rank: input.shape.rank).map { strides[$0] }
    copy(output.shape, from: context.pointer(input), permuted, to: context.pointer(output), output.strides)
  }
}

extension Expand: ExecutableOperator, CompiledOperator {
  package var kernel: String { "strided copy" }

  package func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let input = try input(inputs, 0)
    let strides = Broadcast.strides(of: input, in: output.shape)
    copy(output.shape, from: context.pointer(input), strides, to: context.pointer(output), output.strides)
  }
}

extension Slice: ExecutableOperator, CompiledOperator {
  package var kernel: String { "strided copy" }

  package func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let input = try input(inputs, 0)
    let axis = try axis(dim, rank: input.shape.rank)
    var strides = input.strides
    let first = range(size: input.shape[axis]).start &* strides[axis]
    strides[axis] &*= output.shape[axis] > 1 ? step : 1
    copy(
      output.shape, from: context.pointer(input) + first, strides, to: context.pointer(output), output.strides
    )
  }
}

extension Concat: ExecutableOperator, CompiledOperator {
  package var kernel: String { "strided copy" }

  package func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let axis = try axis(dim, rank: output.shape.rank)
    let strides = output.strides
    var position = 0
    for index in inputs.indices {
      let input = try input(inputs, index)
      copy(
        input.shape, from: context.pointer(input), input.strides,
        to: context.pointer(output) + position &* strides[axis], strides)
      position += input.shape[axis]
    }
  }
}

extension Pad: ExecutableOperator, CompiledOperator {
  package var kernel: String { "fill and strided copy" }

  package func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let input = try input(inputs, 0)
    let destination = context.pointer(output)
    destination.update(repeating: Float(value), count: output.count)
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
    copy(Shape(kept), from: context.pointer(input) + from, sourceStrides, to: destination + to, targetStrides)
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
