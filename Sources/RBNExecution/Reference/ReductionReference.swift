import RBNGraph
import RBNTensor

extension Reduction: ReferenceOperator {
  /// Gathers what each output element is made of, then applies the definition.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let shape = try inferTypes(inputs.map(type))[0].shape
    let axes = try axes(rank: x.shape.rank)
    let kept = ReferenceTensor(
      shape: Shape(x.shape.indices.map { axes.contains($0) ? 1 : x.shape[$0] }), values: [])
    var lines = [[Double]](repeating: [], count: kept.shape.reduce(1, *))
    ReferenceTensor.forEachIndex(x.shape) { index in
      lines[kept.offset(index.indices.map { axes.contains($0) ? 0 : index[$0] })].append(x[index])
    }
    return [ReferenceTensor(shape: shape, values: lines.map(function.reference))]
  }
}

extension Reduction.Function {
  /// The function of the elements that one output element is made of.
  var reference: ([Double]) -> Double {
    switch self {
    case .mean: { $0.reduce(0, +) / Double($0.count) }
    case .sum: { $0.reduce(0, +) }
    case .prod: { $0.reduce(1, *) }
    case .amax: { $0.contains(where: \.isNaN) ? .nan : $0.max() ?? .nan }
    case .amin: { $0.contains(where: \.isNaN) ? .nan : $0.min() ?? .nan }
    case .variance(let correction):
      { values in
        let mean = values.reduce(0, +) / Double(values.count)
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return squares / Swift.max(Double(values.count) - correction, 0)
      }
    case .logsumexp:
      { values in
        guard let largest = values.max(), largest.isFinite else {
          return values.reduce(-.infinity, Swift.max)
        }
        return largest + CFunctions.log(values.reduce(0) { $0 + CFunctions.exp($1 - largest) })
      }
    }
  }
}

extension ReferenceTensor {
  /// A tensor made line by line of this one, a line being the elements along one dimension.
  func mapLines(axis: Int, count: Int, _ body: ([Double]) -> [Double]) -> ReferenceTensor {
    guard shape.rank > 0 else { return ReferenceTensor(shape: shape, values: body(values)) }
    var dimensions = shape.dimensions
    dimensions[axis] = count
    var lines: [[Int]: [Double]] = [:]
    return ReferenceTensor(shape: Shape(dimensions)) { index in
      var key = index
      key[axis] = 0
      if lines[key] == nil {
        lines[key] = body(
          (0..<shape[axis]).map { position in
            var source = key
            source[axis] = position
            return self[source]
          })
      }
      return lines[key]?[index[axis]] ?? .nan
    }
  }
}

extension ArgReduction: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let shape = try inferTypes(inputs.map(type))[0].shape
    guard let dim else {
      return [ReferenceTensor(shape: shape, values: [Double(position(x.values))])]
    }
    let axis = try axis(dim, rank: x.shape.rank)
    let result = x.mapLines(axis: axis, count: 1) { [Double(position($0))] }
    return [ReferenceTensor(shape: shape, values: result.values)]
  }

  private func position(_ values: [Double]) -> Int {
    var best = 0
    for (index, value) in values.enumerated().dropFirst() where !values[best].isNaN {
      let isBetter = function == .argmax ? value > values[best] : value < values[best]
      if value.isNaN || isBetter { best = index }
    }
    return best
  }
}

extension TopK: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    return [
      x.mapLines(axis: try axis(dim, rank: x.shape.rank), count: k) { line in
        let order = line.enumerated().map { (value: $0.element, position: $0.offset) }.sorted(by: precedes)
        return order.prefix(k).map { givesIndices ? Double($0.position) : $0.value }
      }
    ]
  }
}

extension Cumsum: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let axis = try axis(dim, rank: x.shape.rank)
    return [
      x.mapLines(axis: axis, count: x.shape.rank > 0 ? x.shape[axis] : 1) { line in
        var sum = 0.0
        return line.map {
          sum += $0
          return sum
        }
      }
    ]
  }
}

extension Softmax: ReferenceOperator {
  /// exp(x) / Σ exp(x), shifted by the largest element so that nothing overflows; of −∞ alone NaN, or zeros.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let axis = try axis(dim, rank: x.shape.rank)
    return [
      x.mapLines(axis: axis, count: x.shape.rank > 0 ? x.shape[axis] : 1) { line in
        let largest = line.max() ?? 0
        if isSafe, largest == -.infinity { return line.map { _ in 0 } }
        let terms = line.map { CFunctions.exp($0 - largest) }
        let sum = terms.reduce(0, +)
        return terms.map { $0 / sum }
      }
    ]
  }
}

extension LogSoftmax: ReferenceOperator {
  /// x − log Σ exp(x), shifted as in ``Softmax``.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let axis = try axis(dim, rank: x.shape.rank)
    return [
      x.mapLines(axis: axis, count: x.shape.rank > 0 ? x.shape[axis] : 1) { line in
        let largest = line.max() ?? 0
        let logarithm = CFunctions.log(line.reduce(0) { $0 + CFunctions.exp($1 - largest) })
        return line.map { $0 - largest - logarithm }
      }
    ]
  }
}
