import RBNGraph
import RBNTensor

extension Upsample2d: ReferenceOperator {
  /// Every output pixel is the weighted sum of the input pixels at its row's and its column's taps.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let shape = try inferTypes(inputs.map(type))[0].shape
    let rows = taps(axis: 0, input: x.shape[2], output: shape[2])
    let columns = taps(axis: 1, input: x.shape[3], output: shape[3])
    return [
      ReferenceTensor(shape: shape) { index in
        let (row, column) = (rows[index[2]], columns[index[3]])
        var sum = 0.0
        for (y, rowWeight) in zip(row.positions, row.weights) where rowWeight != 0 {
          for (x0, weight) in zip(column.positions, column.weights) where weight != 0 {
            sum += rowWeight * weight * x[[index[0], index[1], y, x0]]
          }
        }
        return sum
      }
    ]
  }
}

extension ConvTranspose2d: ReferenceOperator {
  /// out[n, o, y · s − p + i · d, …] += weight[c, o, i, j] · x[n, c, y, x].
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let (x, weight) = (try value(inputs, 0), try value(inputs, 1))
    let shape = try inferTypes(inputs.map(type))[0].shape
    let bias = channels(inputs, 2, count: shape[1], absent: 0)
    var result = ReferenceTensor(shape: shape) { bias[$0[1]] }
    let (inputsPerGroup, outputsPerGroup) = (x.shape[1] / groups, weight.shape[1])
    ReferenceTensor.forEachIndex(x.shape) { index in
      let group = index[1] / inputsPerGroup
      for o in 0..<outputsPerGroup {
        for i in 0..<weight.shape[2] {
          for j in 0..<weight.shape[3] {
            let y = index[2] * stride[0] - padding[0] + i * dilation[0]
            let x0 = index[3] * stride[1] - padding[1] + j * dilation[1]
            guard y >= 0, y < shape[2], x0 >= 0, x0 < shape[3] else { continue }
            let target = result.offset([index[0], group * outputsPerGroup + o, y, x0])
            result.values[target] += weight[[index[1], o, i, j]] * x[index]
          }
        }
      }
    }
    return [result]
  }
}
