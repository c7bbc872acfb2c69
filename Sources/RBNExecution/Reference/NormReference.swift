import RBNGraph
import RBNTensor

/// The mean and the biased variance.
private func moments(_ values: some Collection<Double>) -> (mean: Double, variance: Double) {
  let mean = values.reduce(0, +) / Double(values.count)
  return (mean, values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count))
}

extension LayerNorm: ReferenceOperator {
  /// Row by row, a row being what the last dimensions hold.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let length = normalizedShape.reduce(1, *)
    let weight = channels(inputs, 1, count: length, absent: 1)
    let bias = channels(inputs, 2, count: length, absent: 0)
    let values = x.values.rows(of: length).flatMap { row -> [Double] in
      let (mean, variance) = moments(row)
      return row.enumerated().map {
        ($0.element - mean) / (variance + eps).squareRoot() * weight[$0.offset] + bias[$0.offset]
      }
    }
    return [ReferenceTensor(shape: x.shape, values: values)]
  }
}

extension GroupNorm: ReferenceOperator {
  /// In row-major order the elements of an instance's group lie together.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let count = x.shape[1]
    let pixels = x.shape.dropFirst(2).reduce(1, *)
    let weight = channels(inputs, 1, count: count, absent: 1)
    let bias = channels(inputs, 2, count: count, absent: 0)
    let length = count / groups * pixels
    let values = x.values.rows(of: length).enumerated().flatMap { number, row -> [Double] in
      let (mean, variance) = moments(row)
      return row.enumerated().map { position, element in
        let channel = number % groups * (count / groups) + position / pixels
        return (element - mean) / (variance + eps).squareRoot() * weight[channel] + bias[channel]
      }
    }
    return [ReferenceTensor(shape: x.shape, values: values)]
  }
}
