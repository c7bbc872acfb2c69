import RBNGraph
import RBNTensor

extension Binary: ExecutableOperator, CompiledOperator {
  package var kernel: String { "\(function) elementwise" }

  package func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let a = try input(inputs, 0)
    let b = scalar == nil ? try input(inputs, 1) : nil
    let iteration = StridedIteration(
      shape: output.shape,
      strides: [
        output.strides, Broadcast.strides(of: a, in: output.shape),
        b.map { Broadcast.strides(of: $0, in: output.shape) } ?? output.shape.map { _ in 0 },
      ])
    let out = context.pointer(output)
    let left = context.pointer(a)
    let alpha = Float(self.alpha)
    if let b {
      let right = context.pointer(b)
      switch function {
      case .add where alpha == 1: Self.apply(iteration, out, left, right) { $0 + $1 }
      case .sub where alpha == 1: Self.apply(iteration, out, left, right) { $0 - $1 }
      case .add: Self.apply(iteration, out, left, right) { $0 + alpha * $1 }
      case .sub: Self.apply(iteration, out, left, right) { $0 - alpha * $1 }
      case .mul: Self.apply(iteration, out, left, right) { $0 * $1 }
      case .div: Self.apply(iteration, out, left, right) { $0 / $1 }
      }
    } else {
      withUnsafePointer(to: Float(scalar ?? 0)) { number in
        // `number` is broadcast; when it comes first the operands change places.
        switch (function, scalarIsFirst) {
        case (.add, false): Self.apply(iteration, out, left, number) { $0 + alpha * $1 }
        case (.add, true): Self.apply(iteration, out, left, number) { $1 + alpha * $0 }
        case (.sub, false): Self.apply(iteration, out, left, number) { $0 - alpha * $1 }
        case (.sub, true): Self.apply(iteration, out, left, number) { $1 - alpha * $0 }
        case (.mul, _): Self.apply(iteration, out, left, number) { $0 * $1 }
        case (.div, false): Self.apply(iteration, out, left, number) { $0 / $1 }
        case (.div, true): Self.apply(iteration, out, left, number) { $1 / $0 }
        }
      }
    }
  }

  @inline(__always)
  private static func apply(
    _ iteration: StridedIteration, _ out: UnsafeMutablePointer<Float>, _ a: UnsafePointer<Float>,
    _ b: UnsafePointer<Float>, _ function: (Float, Float) -> Float
  ) {
    iteration.forEachRow { row in
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
