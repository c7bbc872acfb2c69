import RBNGraph
import RBNTensor

extension Binary: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledBinary(op: self, table: node.kernels)
  }
}

/// Vector kernels where one operand lies as the output does and the other does too, repeats row by row, or is one number a
/// row; a loop over rows for everything else.
private struct CompiledBinary: CompiledOperator {
  let op: Binary
  let table: KernelTable
  var kernel: String { "\(op.function) elementwise \(table.binary.instructionSet)" }

  var acceptsAnyFormat: Bool { true }

  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat {
    inputs.compactMap { $0 }.first { $0.shape == shape }?.layoutFormat ?? MemoryFormat(shape)
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let a = try input(inputs, 0)
    guard op.scalar == nil else { return runWithScalar(a, output, context) }
    let b = try input(inputs, 1)
    let (left, right) = (context.pointer(a), context.pointer(b))
    let out = context.pointer(output)
    if op.alpha == 1, let operation = Elementwise.Operation(op.function) {
      let vector = VectorBinary(
        elementwise: Elementwise(table: table, pool: context.pool), operation: operation, output: out)
      if vector.run(output, dense: a, left, other: b, right, otherIsFirst: false) { return }
      if vector.run(output, dense: b, right, other: a, left, otherIsFirst: true) { return }
    }
    let strides = [
      output.strides, Broadcast.strides(of: a, in: output.shape), Broadcast.strides(of: b, in: output.shape),
    ]
    apply(output.shape, strides, out, left, right, context.pool)
  }

  private func runWithScalar(_ a: Operand, _ output: Operand, _ context: RunContext) {
    let scalar = op.scalar ?? 0
    let (source, out) = (context.pointer(a), context.pointer(output))
    let foldsAlpha = !op.scalarIsFirst || op.alpha == 1
    if foldsAlpha, a.isCongruent(to: output), let operation = Elementwise.Operation(op.function) {
      Elementwise(table: table, pool: context.pool).binary(
        operation, source, scalar: Float(op.scalarIsFirst ? scalar : scalar * op.alpha),
        scalarIsFirst: op.scalarIsFirst, out, count: output.count)
      return
    }
    let strides = [output.strides, Broadcast.strides(of: a, in: output.shape), output.shape.map { _ in 0 }]
    withUnsafePointer(to: Float(scalar)) { number in
      if op.scalarIsFirst {
        apply(output.shape, [strides[0], strides[2], strides[1]], out, number, source, context.pool)
      } else {
        apply(output.shape, strides, out, source, number, context.pool)
      }
    }
  }

  /// The function row by row.
  private func apply(
    _ shape: Shape, _ strides: [[Int]], _ out: UnsafeMutablePointer<Float>, _ a: UnsafePointer<Float>,
    _ b: UnsafePointer<Float>, _ pool: ThreadPool
  ) {
    let alpha = Float(op.alpha)
    func loop(_ function: @Sendable (Float, Float) -> Float) {
      Self.apply(shape, strides, out, a, b, pool, function)
    }
    switch op.function {
    case .add: loop { $0 + alpha * $1 }
    case .sub: loop { $0 - alpha * $1 }
    case .mul: loop { $0 * $1 }
    case .div: loop { $0 / $1 }
    case .maximum: loop { $0 > $1 || $0.isNaN ? $0 : $1 }
    case .minimum: loop { $0 < $1 || $0.isNaN ? $0 : $1 }
    case .equal: loop { $0 == $1 ? 1 : 0 }
    case .notEqual: loop { $0 != $1 ? 1 : 0 }
    case .less: loop { $0 < $1 ? 1 : 0 }
    case .lessOrEqual: loop { $0 <= $1 ? 1 : 0 }
    case .greater: loop { $0 > $1 ? 1 : 0 }
    case .greaterOrEqual: loop { $0 >= $1 ? 1 : 0 }
    case .prelu: loop { $0 > 0 ? $0 : $1 * $0 }
    default:
      let reference = op.function.reference
      loop { Float(reference(Double($0), Double($1))) }
    }
  }

  @inline(__always)
  private static func apply(
    _ shape: Shape, _ strides: [[Int]], _ out: UnsafeMutablePointer<Float>, _ a: UnsafePointer<Float>,
    _ b: UnsafePointer<Float>, _ pool: ThreadPool, _ function: (Float, Float) -> Float
  ) {
    StridedIteration.parallelRows(shape: shape, strides: strides, pool: pool) { row in
      let (to, left, right) = (out + row.offsets.0, a + row.offsets.1, b + row.offsets.2)
      if row.strides == (1, 1, 1) {
        for i in 0..<row.count { to[i] = function(left[i], right[i]) }
      } else if row.strides == (1, 1, 0) {
        let constant = right[0]
        for i in 0..<row.count { to[i] = function(left[i], constant) }
      } else {
        let (step, leftStep, rightStep) = row.strides
        for i in 0..<row.count { to[i &* step] = function(left[i &* leftStep], right[i &* rightStep]) }
      }
    }
  }
}

/// The vector kernels for an operand that lies as the output does, and another that is broadcast.
private struct VectorBinary {
  let elementwise: Elementwise
  let operation: Elementwise.Operation
  let output: UnsafeMutablePointer<Float>

  /// Whether a kernel fits; if so it has run.
  func run(
    _ target: Operand, dense: Operand, _ x: UnsafePointer<Float>, other: Operand, _ y: UnsafePointer<Float>,
    otherIsFirst: Bool
  ) -> Bool {
    guard dense.isCongruent(to: target) else { return false }
    let layout = BroadcastLayout(
      shape: target.shape, strides: target.strides, Broadcast.strides(of: other, in: target.shape))
    switch layout.pattern {
    case .dense:
      elementwise.binary(
        operation, otherIsFirst ? y : x, otherIsFirst ? x : y, output, count: target.count)
    case .row(let channels):
      elementwise.binary(
        operation, x, row: y, isPerInstance: false, rowIsFirst: otherIsFirst, output, batch: 1,
        pixels: target.count / channels, channels: channels)
    case .rowPerInstance(let batch, let channels):
      elementwise.binary(
        operation, x, row: y, isPerInstance: true, rowIsFirst: otherIsFirst, output, batch: batch,
        pixels: target.count / (batch * channels), channels: channels)
    case .numberPerRow(let rows):
      elementwise.binary(
        operation, x, numberPerRow: y, numberIsFirst: otherIsFirst, output, rows: rows,
        channels: target.count / rows)
    case nil: return false
    }
    return true
  }
}

/// How an operand repeats along the memory of an output.
private struct BroadcastLayout {
  enum Pattern {
    /// As the output.
    case dense
    /// A row of `channels` elements, again and again.
    case row(channels: Int)
    /// For each of `batch` instances its own row.
    case rowPerInstance(batch: Int, channels: Int)
    /// One number for each of `rows` rows.
    case numberPerRow(rows: Int)
  }

  let pattern: Pattern?

  init(shape: Shape, strides: [Int], _ other: [Int]) {
    // Sizes and the operand's strides, outermost in the output's memory first, neighbours merged.
    var merged: [(size: Int, stride: Int)] = []
    for axis in shape.indices.filter({ shape[$0] != 1 }).sorted(by: { strides[$0] > strides[$1] }) {
      if let last = merged.last, last.stride == other[axis] * shape[axis] {
        merged[merged.count - 1] = (last.size * shape[axis], other[axis])
      } else {
        merged.append((shape[axis], other[axis]))
      }
    }
    switch merged.count {
    case 0: pattern = .dense
    case 1 where merged[0].stride == 1: pattern = .dense
    case 1 where merged[0].stride == 0: pattern = .numberPerRow(rows: 1)
    case 2 where merged[0].stride == 0 && merged[1].stride == 1: pattern = .row(channels: merged[1].size)
    case 2 where merged[0].stride == 1 && merged[1].stride == 0: pattern = .numberPerRow(rows: merged[0].size)
    case 3
    where merged[0].stride == merged[2].size && merged[1].stride == 0 && merged[2].stride == 1:
      pattern = .rowPerInstance(batch: merged[0].size, channels: merged[2].size)
    default: pattern = nil
    }
  }
}
