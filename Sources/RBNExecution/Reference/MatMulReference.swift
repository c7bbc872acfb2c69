import RBNGraph
import RBNTensor

extension MatMul: ReferenceOperator {
  /// out[…, m, n] = Σ a[…, m, k] · b[…, k, n].
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let (a, b) = (try value(inputs, 0), try value(inputs, 1))
    let depth = a.shape[a.shape.rank - 1]
    return [
      ReferenceTensor(shape: try inferTypes(inputs.map(type))[0].shape) { index in
        let (row, column) = (index[index.count - 2], index[index.count - 1])
        return (0..<depth).reduce(0) { sum, k in
          sum + a.broadcast(index.dropLast(2) + [row, k]) * b.broadcast(index.dropLast(2) + [k, column])
        }
      }
    ]
  }
}

extension ScaledDotProductAttention: ReferenceOperator {
  /// The definition, row by row of the scores. A row that hides every key gives zeros.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let (query, key, value) = (try value(inputs, 0), try value(inputs, 1), try value(inputs, 2))
    let mask = inputs.count > 3 ? inputs[3] : nil
    let rank = query.shape.rank
    let (depth, keys, queries) = (query.shape[rank - 1], key.shape[rank - 2], query.shape[rank - 2])
    let factor = scale ?? 1 / Double(depth).squareRoot()
    let scores = ReferenceTensor(
      shape: Shape(query.shape.dimensions.dropLast(2) + [queries, keys])
    ) { index in
      let (batch, l, s) = (Array(index.dropLast(2)), index[rank - 2], index[rank - 1])
      if isCausal && s > l { return -.infinity }
      let product = (0..<depth).reduce(0) { $0 + query[batch + [l, $1]] * key[batch + [s, $1]] }
      return product * factor + (mask?.broadcast(index) ?? 0)
    }
    let weights = scores.values.rows(of: keys).flatMap { row -> [Double] in
      let largest = row.max() ?? 0
      if largest == -.infinity { return row.map { _ in 0 } }
      let terms = row.map { CFunctions.exp($0 - largest) }
      let sum = terms.reduce(0, +)
      return terms.map { $0 / sum }
    }
    let attention = ReferenceTensor(shape: scores.shape, values: weights)
    return [
      ReferenceTensor(shape: try inferTypes(inputs.map(type))[0].shape) { index in
        let (batch, l, v) = (Array(index.dropLast(2)), index[rank - 2], index[rank - 1])
        return (0..<keys).reduce(0) { $0 + attention[batch + [l, $1]] * value[batch + [$1, v]] }
      }
    ]
  }
}

extension [Double] {
  /// Consecutive rows of `length` elements.
  func rows(of length: Int) -> [ArraySlice<Double>] {
    length == 0 ? [] : stride(from: 0, to: count, by: length).map { self[$0..<Swift.min($0 + length, count)] }
  }
}
