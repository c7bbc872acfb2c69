import RBNGraph
import RBNTensor

extension Reduction: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let shape = try inferTypes(inputs.map(type))[0].shape
    let axes = try axes(rank: x.shape.rank)
    let kept = Shape(x.shape.indices.map { axes.contains($0) ? 1 : x.shape[$0] })
    var sums = ReferenceTensor(shape: kept, values: [Double](repeating: 0, count: kept.reduce(1, *)))
    ReferenceTensor.forEachIndex(x.shape) { index in
      let target = index.indices.map { axes.contains($0) ? 0 : index[$0] }
      sums.values[sums.offset(target)] += x[index]
    }
    let count = axes.reduce(1) { $0 * x.shape[$1] }
    let divisor = function == .mean ? Double(count) : 1
    return [ReferenceTensor(shape: shape, values: sums.values.map { $0 / divisor })]
  }
}

extension Softmax: ReferenceOperator {
  /// exp(x) / Σ exp(x), shifted by the largest element so that nothing overflows.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    guard x.shape.rank > 0 else { return [ReferenceTensor(shape: [], values: [1])] }
    let axis = try axis(dim, rank: x.shape.rank)
    return [
      ReferenceTensor(shape: x.shape) { index in
        let line = (0..<x.shape[axis]).map { position in
          var other = index
          other[axis] = position
          return x[other]
        }
        let largest = line.max() ?? 0
        let terms = line.map { Unary.Function.exp.reference($0 - largest) }
        return terms[index[axis]] / terms.reduce(0, +)
      }
    ]
  }
}
