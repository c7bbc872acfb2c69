import RBNGraph
import RBNTensor

extension Conv2d: ReferenceOperator {
  /// out[n, o, i, j] = bias[o] + Σ over c, u, v of weight[o, c, u, v] · x[n, c', i·stride + u·dilation − padding, …],
  /// where c' is channel c of o's group and x is zero outside of the image.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let (x, weight) = (try value(inputs, 0), try value(inputs, 1))
    let shape = try inferTypes(inputs.map(type))[0].shape
    let bias = channels(inputs, 2, count: shape[1], absent: 0)
    let (height, width) = (x.shape[2], x.shape[3])
    let (depth, kernelHeight, kernelWidth) = (weight.shape[1], weight.shape[2], weight.shape[3])
    let outputsPerGroup = shape[1] / groups
    let result = ReferenceTensor(shape: shape) { index in
      let (n, o) = (index[0], index[1])
      var sum = bias[o]
      for u in 0..<kernelHeight {
        let row = index[2] * stride[0] + u * dilation[0] - padding[0]
        guard (0..<height).contains(row) else { continue }
        for v in 0..<kernelWidth {
          let column = index[3] * stride[1] + v * dilation[1] - padding[1]
          guard (0..<width).contains(column) else { continue }
          for c in 0..<depth {
            let channel = o / outputsPerGroup * depth + c
            sum +=
              weight.values[((o * depth + c) * kernelHeight + u) * kernelWidth + v]
              * x.values[((n * x.shape[1] + channel) * height + row) * width + column]
          }
        }
      }
      return sum
    }
    return [result]
  }
}

extension FusedConv2d: ReferenceOperator {
  /// activation(affine(conv(x)) + residual).
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    var result = try conv.evaluate(Array(inputs.prefix(3)))[0]
    if let affine { result = try affine.evaluate([result, inputs.count > 4 ? inputs[4] : nil])[0] }
    if inputs.count > 3, let residual = inputs[3] {
      result.values = zip(result.values, residual.values).map { $0 + $1 }
    }
    if let activation { result.values = result.values.map(activation.reference) }
    return [result]
  }
}
