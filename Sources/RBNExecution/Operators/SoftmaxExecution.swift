import RBNGraph
import RBNTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension Softmax: ExecutableOperator, CompiledOperator {
  package var kernel: String { "softmax in float64" }

  package func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let input = try input(inputs, 0)
    let axis = try axis(dim, rank: input.shape.rank)
    let size = input.shape.rank > 0 ? input.shape[axis] : 1
    let (sourceStrides, targetStrides) = (input.strides, output.strides)
    let (step, targetStep) = input.shape.rank > 0 ? (sourceStrides[axis], targetStrides[axis]) : (1, 1)
    let outer = Shape(input.shape.indices.map { $0 == axis ? 1 : input.shape[$0] })
    let (source, target) = (context.pointer(input), context.pointer(output))
    StridedIteration(shape: outer, strides: [sourceStrides, targetStrides]).forEachRow { row in
      for i in 0..<row.count {
        let from = source + row.offsets.0 + i &* row.strides.0
        let to = target + row.offsets.1 + i &* row.strides.1
        var largest = -Float.infinity
        for j in 0..<size { largest = max(largest, from[j &* step]) }
        var sum = 0.0
        for j in 0..<size { sum += exp(Double(from[j &* step]) - Double(largest)) }
        for j in 0..<size {
          to[j &* targetStep] = Float(exp(Double(from[j &* step]) - Double(largest)) / sum)
        }
      }
    }
  }
}
