import RBNTensor

/// Makes a per-instance affine map, which is what a Representative BatchNorm is, part of the convolution whose result it
/// alone reads.
package enum FuseInstanceAffine: GraphPass {
  package static let name = "fuse-instance-affine"

  package static func run(_ graph: inout Graph) throws {
    let producers = graph.producers
    let readers = graph.readers
    let outputs = Set(graph.outputs.map(\.value))
    var removed = Set<Int>()
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      guard let affine = node.op as? InstanceAffine, affine.activation == nil, node.inputs.count == 2,
        let x = node.inputs[0], let convIndex = producers[x.index], readers[x.index].count == 1,
        !outputs.contains(x), let conv = graph.nodes[convIndex].op as? Conv2d
      else { continue }
      let convNode = graph.nodes[convIndex]
      let bias = convNode.inputs.count > 2 ? convNode.inputs[2] : nil
      graph.nodes[index].op = FusedConv2d(conv, affine: affine)
      graph.nodes[index].inputs = [convNode.inputs[0], convNode.inputs[1], bias, nil, node.inputs[1]]
      graph.nodes[index].module = convNode.module
      removed.insert(convIndex)
    }
    graph.nodes = graph.nodes.indices.filter { !removed.contains($0) }.map { graph.nodes[$0] }
  }
}
