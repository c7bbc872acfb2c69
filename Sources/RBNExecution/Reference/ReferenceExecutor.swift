import RBNGraph
import RBNTensor

/// Evaluates a graph node by node in float64 with the reference operators.
package struct ReferenceExecutor: Sendable {
  package let graph: Graph

  package init(graph: Graph) { self.graph = graph }

  /// The outputs, float64, in the order of the graph's.
  ///
  /// - Throws: `graph.shape-mismatch`, `graph.unsupported-operator`.
  package func run(_ inputs: [Tensor]) throws -> [Tensor] {
    let types = try graph.inferTypes(inputShapes: inputs.map(\.shape))
    var values = [ReferenceTensor?](repeating: nil, count: graph.values.count)
    for (input, tensor) in zip(graph.inputs, inputs) { values[input.value.index] = ReferenceTensor(tensor) }
    func read(_ value: Graph.ValueID) -> ReferenceTensor? {
      values[value.index] ?? graph.tensor(of: value).map { ReferenceTensor($0) }
    }
    let readers = graph.readers
    let outputs = Set(graph.outputs.map(\.value))
    for (index, node) in graph.nodes.enumerated() {
      guard let op = node.op as? any ReferenceOperator else {
        throw RBNError(.unsupportedOperator, .model, location: node.place, "this operator has no reference")
      }
      let results = try op.evaluate(node.inputs.map { $0.flatMap(read) })
      for (output, result) in zip(node.outputs, results) {
        guard types[output.index]?.shape == result.shape, result.values.count == result.shape.reduce(1, *)
        else {
          throw RBNError(
            .shapeMismatch, .model, location: node.place, "the reference gives the shape \(result.shape)")
        }
        values[output.index] = result
      }
      for input in node.inputs.compactMap({ $0 })
      where readers[input.index].last == index && !outputs.contains(input) {
        values[input.index] = nil
      }
    }
    return try graph.outputs.map { output in
      guard let value = read(output.value) else {
        throw RBNError(.malformedGraph, .model, location: output.name, "nothing makes this output")
      }
      return try value.tensor()
    }
  }
}
