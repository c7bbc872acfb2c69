import RBNGraph
import RBNTensor

extension Linear: ReferenceOperator {
  /// out[…, o] = bias[o] + Σ weight[o, i] · x[…, i].
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let (x, weight) = (try value(inputs, 0), try value(inputs, 1))
    let shape = try inferTypes(inputs.map(type))[0].shape
    let (outputs, depth) = (weight.shape[0], weight.shape[1])
    let bias = channels(inputs, 2, count: outputs, absent: 0)
    var position = 0
    return [
      ReferenceTensor(shape: shape) { index in
        let (row, o) = (position / max(outputs, 1), index[shape.rank - 1])
        position += 1
        return (0..<depth).reduce(bias[o]) { $0 + weight.values[o * depth + $1] * x.values[row * depth + $1] }
      }
    ]
  }
}
