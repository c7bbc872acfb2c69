import RBNTensor

/// Folds a per-channel affine map (an eval BatchNorm, for one) into the convolution before it:
/// a · (W ∗ x + b) + d = (a W) ∗ x + (a b + d), computed in float64.
package enum FoldChannelAffine: GraphPass {
  package static let name = "fold-channel-affine"

  package static func run(_ graph: inout Graph) throws {
    let producers = graph.producers
    let readers = graph.readers
    let outputs = Set(graph.outputs.map(\.value))
    var removed = Set<Int>()
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      guard let affine = node.op as? InstanceAffine, !affine.hasMean, let x = node.inputs[0],
        let convIndex = producers[x.index], readers[x.index].count == 1, !outputs.contains(x),
        let conv = graph.nodes[convIndex].op as? Conv2d,
        let weight = graph.tensor(of: graph.nodes[convIndex].inputs[1]),
        let coefficients = graph.tensor(of: node.inputs[1])
      else { continue }
      let convNode = graph.nodes[convIndex]
      let biasTensor = convNode.inputs.count > 2 ? graph.tensor(of: convNode.inputs[2]) : nil
      if convNode.inputs.count > 2, convNode.inputs[2] != nil, biasTensor == nil { continue }
      let folded = try fold(weight, biasTensor, coefficients.doubles)
      let path = convNode.module.path.isEmpty ? convNode.name : convNode.module.path
      let newWeight = graph.addParameter(folded.weight, suggestedKey: path + ".folded_weight")
      let newBias = graph.addParameter(folded.bias, suggestedKey: path + ".folded_bias")
      graph.nodes[index].op = conv
      graph.nodes[index].inputs = [convNode.inputs[0], newWeight, newBias]
      graph.nodes[index].module = convNode.module
      removed.insert(convIndex)
      // Held twice for no longer than it takes to write the new ones.
      for case let old? in convNode.inputs.dropFirst()
      where readers[old.index].count == 1 && !outputs.contains(old) {
        graph.releaseParameter(old)
      }
    }
    graph.nodes = graph.nodes.indices.filter { !removed.contains($0) }.map { graph.nodes[$0] }
  }

  private static func fold(_ weight: Tensor, _ bias: Tensor?, _ coefficients: [Double]) throws -> (
    weight: Tensor, bias: Tensor
  ) {
    let channels = weight.shape[0]
    let scale = coefficients[(InstanceAffine.Row.alpha0.rawValue * channels)...].prefix(channels)
    let shift = coefficients[(InstanceAffine.Row.beta.rawValue * channels)...].prefix(channels)
    let scaled = try weight.scaled(perChannel: scale)
    let old = bias?.doubles ?? [Double](repeating: 0, count: channels)
    let newBias = zip(zip(scale, shift), old).map { Float($0.0 * $1 + $0.1) }
    return (scaled, try Tensor(shape: [channels], scalars: newBias))
  }
}

extension Tensor {
  /// The float32 tensor of the products with one factor for each index of the first dimension, computed in float64.
  fileprivate func scaled(perChannel factors: ArraySlice<Double>) throws -> Tensor {
    let source = try converted(to: .float32)
    let run = factors.isEmpty ? 0 : count / factors.count
    return try Tensor(shape: shape) { bytes in
      source.withUnsafeBytes { source in
        guard let from = source.bindMemory(to: Float.self).baseAddress,
          let to = bytes.bindMemory(to: Float.self).baseAddress
        else { return }
        for (channel, factor) in factors.enumerated() {
          for i in channel * run..<(channel + 1) * run { to[i] = Float(Double(from[i]) * factor) }
        }
      }
    }
  }
}
