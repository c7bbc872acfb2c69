import RBNGraph
import RBNTensor

extension Operand {
  /// Whether its elements lie in the order of its dimensions.
  var isRowMajor: Bool { format == .contiguous || MemoryFormat.coincide(shape) }

  /// Strides, one for each dimension of `input`, for writing what a reduction over `axes` of it gives: 0 along those. `self` is
  /// the output, with the dimensions kept as 1 or dropped.
  func strides(reducing axes: [Int], of input: Operand) -> [Int] {
    let own = strides
    if own.count == input.shape.rank { return input.shape.indices.map { axes.contains($0) ? 0 : own[$0] } }
    var position = 0
    return input.shape.indices.map { axis in
      guard !axes.contains(axis), position < own.count else { return 0 }
      position += 1
      return own[position - 1]
    }
  }
}

/// Scratch memory for operators that compute in row-major order: copies of operands that lie otherwise.
struct RowMajorScratch {
  private let copy: StridedCopy
  private let context: RunContext
  private var used = 0

  init(_ context: RunContext, _ table: KernelTable) {
    self.context = context
    copy = StridedCopy(table: table, pool: context.pool)
  }

  /// The bytes that copies of these operands take, each rounded up to a cache line.
  static func byteCount(_ operands: [Operand?]) throws -> Int {
    try operands.compactMap { $0 }.filter { !$0.isRowMajor }.reduce(0) { sum, operand in
      let (total, overflow) = sum.addingReportingOverflow(
        TensorStorage.aligned(try operand.shape.byteCount(of: .float32)))
      guard !overflow else { throw RBNError(.memoryLimit, .input, "the activations don't fit in memory") }
      return total
    }
  }

  private mutating func take(_ operand: Operand) -> UnsafeMutablePointer<Float> {
    defer { used += TensorStorage.aligned(operand.count * MemoryLayout<Float>.size) }
    return (context.scratch + used).assumingMemoryBound(to: Float.self)
  }

  /// An input's elements in row-major order.
  mutating func source(_ operand: Operand) -> UnsafePointer<Float> {
    guard !operand.isRowMajor else { return UnsafePointer(context.pointer(operand)) }
    let target = take(operand)
    copy.run(
      operand.shape, from: context.pointer(operand), operand.strides, to: target,
      operand.shape.contiguousStrides)
    return UnsafePointer(target)
  }

  /// Lets `body` write an output in row-major order.
  mutating func withTarget(
    _ operand: Operand, _ body: (UnsafeMutablePointer<Float>) throws -> Void
  ) rethrows {
    guard !operand.isRowMajor else { return try body(context.pointer(operand)) }
    let target = take(operand)
    try body(target)
    copy.run(
      operand.shape, from: target, operand.shape.contiguousStrides, to: context.pointer(operand),
      operand.strides)
  }
}

/// Visits the lines of an operand along one dimension, with the lines of an output beside them.
struct Lines {
  /// A line: its first element and the distance between its elements, in the input and in the output.
  struct Line {
    var from: UnsafePointer<Float>
    var step: Int
    var to: UnsafeMutablePointer<Float>
    var targetStep: Int
  }

  /// - Parameter targetStrides: the output's strides, one for each dimension of the input.
  static func forEach(
    _ input: Operand, axis: Int, _ output: Operand, targetStrides: [Int], _ context: RunContext,
    _ body: (Line) -> Void
  ) {
    let sourceStrides = input.strides
    let (source, target) = (context.pointer(input), context.pointer(output))
    var outer = input.shape
    let isScalar = input.shape.rank == 0
    if !isScalar { outer.dimensions[axis] = 1 }
    let (step, targetStep) = isScalar ? (1, 1) : (sourceStrides[axis], targetStrides[axis])
    StridedIteration.parallelRows(
      shape: outer, strides: [targetStrides, sourceStrides], pool: context.pool,
      work: isScalar ? 1 : input.shape[axis]
    ) { row in
      for i in 0..<row.count {
        body(
          Line(
            from: source + row.offsets.1 + i &* row.strides.1, step: step,
            to: target + row.offsets.0 + i &* row.strides.0, targetStep: targetStep))
      }
    }
  }
}
