import RBNTensor

/// Makes zero padding of H and W that only a convolution reads part of that convolution.
package enum FoldPadding: GraphPass {
  package static let name = "fold-padding"

  package static func run(_ graph: inout Graph) throws {
    let producers = graph.producers
    let readers = graph.readers
    let outputs = Set(graph.outputs.map(\.value))
    var removed = Set<Int>()
    for index in graph.nodes.indices {
      guard var conv = graph.nodes[index].op as? Conv2d, let x = graph.nodes[index].inputs[0],
        let padIndex = producers[x.index], let pad = graph.nodes[padIndex].op as? Pad,
        readers[x.index].count == 1, !outputs.contains(x), pad.mode == .constant, pad.value == 0,
        pad.pad.count >= 2, pad.pad.dropFirst(4).allSatisfy({ $0 == 0 }), pad.pad.allSatisfy({ $0 >= 0 })
      else { continue }
      let (left, right) = pad.amounts(axis: 3, rank: 4)
      let (top, bottom) = pad.amounts(axis: 2, rank: 4)
      conv.padding = zip(conv.padding, [top, left, bottom, right]).map { $0 + $1 }
      guard conv.padding.allSatisfy({ AttributeRange.natural.contains($0) }) else { continue }
      graph.nodes[index].op = conv
      graph.nodes[index].inputs[0] = graph.nodes[padIndex].inputs[0]
      removed.insert(padIndex)
    }
    graph.nodes = graph.nodes.indices.filter { !removed.contains($0) }.map { graph.nodes[$0] }
  }
}
