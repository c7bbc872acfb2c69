import RBNTensor

/// Removes dropout, `contiguous` and the like, and nodes whose results nobody reads.
package enum EliminateIdentities: GraphPass {
  package static let name = "eliminate-identities"

  package static func run(_ graph: inout Graph) throws {
    var replacement: [Graph.ValueID: Graph.ValueID] = [:]
    var kept: [Graph.Node] = []
    for var node in graph.nodes {
      node.inputs = node.inputs.map { $0.map { replacement[$0] ?? $0 } }
      if node.op is Identity, let input = node.inputs[0] {
        replacement[node.outputs[0]] = input
      } else {
        kept.append(node)
      }
    }
    graph.nodes = kept
    for index in graph.outputs.indices {
      let value = graph.outputs[index].value
      graph.outputs[index].value = replacement[value] ?? value
    }
    graph.removeUnreadNodes()
  }
}

extension Graph {
  /// Removes every node that no output depends on.
  package mutating func removeUnreadNodes() {
    var needed = Set(outputs.map(\.value))
    var kept: [Node] = []
    for node in nodes.reversed() where node.outputs.contains(where: { needed.contains($0) }) {
      for input in node.inputs { if let input { needed.insert(input) } }
      kept.append(node)
    }
    nodes = kept.reversed()
  }
}
