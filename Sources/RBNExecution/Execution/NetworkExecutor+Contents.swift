import RBNGraph

extension NetworkExecutor {
  /// For every step of a plan, the nodes of ``sourceGraph`` that it does, as indices in order.
  ///
  /// Passes keep the values that steps make. What lies in the source graph between a step's output and the values that
  /// other steps make is what the step does.
  package func sourceNodes() -> [[Int]] {
    let producers = sourceGraph.producers
    let made = Set(graph.nodes.flatMap(\.outputs))
    return graph.nodes.map { node in
      var found = Set<Int>()
      var open = node.outputs
      while let value = open.popLast() {
        // Values of nodes that passes inserted are not in the source graph.
        guard value.index < producers.count, let producer = producers[value.index] else { continue }
        guard found.insert(producer).inserted else { continue }
        for input in sourceGraph.nodes[producer].inputs {
          if let input, !made.contains(input) { open.append(input) }
        }
      }
      return found.sorted()
    }
  }

  /// Bytes of all weights in the form in which kernels read them.
  package var weightByteCount: Int {
    compiled.reduce(0) { $0 + $1.packedByteCount }
      + constants.values.reduce(0) { $0 + $1.count * MemoryLayout<Float>.size }
  }
}
