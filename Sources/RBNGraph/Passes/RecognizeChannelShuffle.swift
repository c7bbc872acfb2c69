import RBNTensor

/// Makes one ``ChannelShuffle`` of the three operations that networks write it as: (N, C, H, W) seen as (N, g, C / g, H, W), the
/// two dimensions of the channels exchanged, and seen as (N, C, H, W) again.
///
/// In memory with channels last, the views would each be a copy of the whole activation.
package enum RecognizeChannelShuffle: GraphPass {
  package static let name = "recognize-channel-shuffle"

  package static func run(_ graph: inout Graph) throws {
    guard graph.nodes.contains(where: { $0.op is Permute }) else { return }
    let types = try graph.inferTypes(inputShapes: graph.inputs.map(\.exampleShape))
    let producers = graph.producers
    let readers = graph.readers
    let outputs = Set(graph.outputs.map(\.value))

    /// The node behind an input that nothing else reads.
    func only(_ value: Graph.ValueID?) -> Graph.Node? {
      guard let value, readers[value.index].count == 1, !outputs.contains(value) else { return nil }
      return producers[value.index].map { graph.nodes[$0] }
    }
    for index in graph.nodes.indices {
      let last = graph.nodes[index]
      guard last.op is Reshape, let permutation = only(last.inputs[0]),
        let permute = permutation.op as? Permute,
        let order = try? permute.order(rank: 5), order == [0, 2, 1, 3, 4],
        let first = only(permutation.inputs[0]), let view = first.op as? Reshape, let x = first.inputs[0],
        let shape = types[x.index]?.shape, shape.rank == 4, types[last.outputs[0].index]?.shape == shape,
        let parts = types[first.outputs[0].index]?.shape, parts.rank == 5, parts[1] > 0,
        [parts[0], parts[3], parts[4]] == [shape[0], shape[2], shape[3]],
        // Sizes that depend on the image's would be other groups at another size.
        view.sizes[1].isLiteral, view.sizes[2].isLiteral
      else { continue }
      graph.nodes[index].op = ChannelShuffle(groups: parts[1])
      graph.nodes[index].inputs = [x]
    }
    graph.removeUnreadNodes()
  }
}
