import RBNGraph
import RBNTensor

extension ChannelShuffle: ReferenceOperator {
  /// Output channel c comes from input channel (c mod groups) · (C / groups) + c / groups.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let width = x.shape[1] / groups
    return [
      ReferenceTensor(shape: x.shape) { index in
        var source = index
        source[1] = index[1] % groups * width + index[1] / groups
        return x[source]
      }
    ]
  }
}
