import RBNGraph
import RBNTensor

extension Reduction: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledReduction(op: self, table: node.kernels)
  }
}

/// In float64: the vector kernel where images are reduced to one number a channel, strided accumulation otherwise.
private struct CompiledReduction: CompiledOperator {
  let op: Reduction
  let table: KernelTable
  var kernel: String { "\(op.name.split(separator: ".")[1]) in float64" }
  var acceptsAnyFormat: Bool { true }

  /// Sums and means over H and W of an image come from the channel sums of the input.
  func summedInput(_ inputs: [Operand?]) -> Int? {
    guard op.function == .mean || op.function == .sum, let x = inputs.first ?? nil, x.shape.rank == 4,
      x.format == .channelsLast, !x.shape.contains(0), let axes = try? op.axes(rank: 4), axes == [2, 3]
    else { return nil }
    return 0
  }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    // Two numbers an output element: a sum, and what it is shifted by.
    let (bytes, overflow) = try output.shape.byteCount(of: .float64).multipliedReportingOverflow(by: 2)
    guard !overflow else { throw RBNError(.memoryLimit, .input, "the sums don't fit in memory") }
    return bytes
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let input = try input(inputs, 0)
    let axes = try op.axes(rank: input.shape.rank)
    let reduced = axes.reduce(1) { $0 &* input.shape[$1] }
    if let sums = context.inputSums {
      let divisor = op.function == .mean ? Double(reduced) : 1
      let out = context.pointer(output)
      for i in 0..<output.count { out[i] = Float(sums[i] / divisor) }
      return
    }
    let accumulation = Accumulation(
      source: context.pointer(input), shape: input.shape,
      strides: [input.strides, output.strides(reducing: axes, of: input)],
      sums: context.scratch.assumingMemoryBound(to: Double.self), count: output.count)
    let out = context.pointer(output)
    func finish(_ function: (Double, Int) -> Double) {
      for i in 0..<output.count { out[i] = Float(function(accumulation.sums[i], i)) }
    }
    switch op.function {
    case .mean:
      accumulation.run(from: 0) { $0 + $1 }
      finish { sum, _ in sum / Double(reduced) }
    case .sum:
      accumulation.run(from: 0) { $0 + $1 }
      finish { sum, _ in sum }
    case .prod:
      accumulation.run(from: 1) { $0 * $1 }
      finish { product, _ in product }
    case .amax:
      accumulation.run(from: -.infinity) { $1 > $0 || $1.isNaN ? $1 : $0 }
      finish { largest, _ in largest }
    case .amin:
      accumulation.run(from: .infinity) { $1 < $0 || $1.isNaN ? $1 : $0 }
      finish { smallest, _ in smallest }
    case .variance(let correction):
      accumulation.run(from: 0) { $0 + $1 }
      accumulation.keepAsShift { $0 / Double(reduced) }
      accumulation.runShifted(from: 0) { $0 + ($1 - $2) * ($1 - $2) }
      finish { squares, _ in squares / max(Double(reduced) - correction, 0) }
    case .logsumexp:
      accumulation.run(from: -.infinity) { $1 > $0 || $1.isNaN ? $1 : $0 }
      accumulation.keepAsShift { $0.isInfinite ? 0 : $0 }
      accumulation.runShifted(from: 0) { $0 + CFunctions.exp($1 - $2) }
      finish { sum, i in CFunctions.log(sum) + accumulation.shifts[i] }
    }
  }
}

/// Goes over all elements of an input with a float64 number beside each output element.
private struct Accumulation {
  let source: UnsafePointer<Float>
  let shape: Shape
  /// The input's and the output's, the latter 0 along what is reduced.
  let strides: [[Int]]
  let sums: UnsafeMutablePointer<Double>
  let count: Int
  /// One number an output element, kept from a first pass for a second.
  var shifts: UnsafeMutablePointer<Double> { sums + count }

  @inline(__always)
  func run(from start: Double, _ function: (Double, Double) -> Double) {
    sums.update(repeating: start, count: count)
    StridedIteration(shape: shape, strides: strides).forEachRow { row in
      let (from, to) = (source + row.offsets.0, sums + row.offsets.1)
      if row.strides.1 == 0 {
        var sum = to[0]
        for i in 0..<row.count { sum = function(sum, Double(from[i &* row.strides.0])) }
        to[0] = sum
      } else {
        for i in 0..<row.count {
          let place = i &* row.strides.1
          to[place] = function(to[place], Double(from[i &* row.strides.0]))
        }
      }
    }
  }

  func keepAsShift(_ function: (Double) -> Double) {
    for i in 0..<count { shifts[i] = function(sums[i]) }
  }

  @inline(__always)
  func runShifted(from start: Double, _ function: (Double, Double, Double) -> Double) {
    sums.update(repeating: start, count: count)
    StridedIteration(shape: shape, strides: strides).forEachRow { row in
      for i in 0..<row.count {
        let place = row.offsets.1 + i &* row.strides.1
        sums[place] = function(sums[place], Double(source[row.offsets.0 + i &* row.strides.0]), shifts[place])
      }
    }
  }
}
