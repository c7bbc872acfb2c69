import RBNGraph
import RBNTensor

/// Evaluates nodes that depend on parameters alone, by the reference, in float64.
package enum FoldConstants: GraphPass {
  package static let name = "fold-constants"

  package static func run(_ graph: inout Graph) throws {
    var kept: [Graph.Node] = []
    var replacement: [Graph.ValueID: Graph.ValueID] = [:]
    for var node in graph.nodes {
      node.inputs = node.inputs.map { $0.map { replacement[$0] ?? $0 } }
      let tensors = node.inputs.map { graph.tensor(of: $0) }
      let isConstant = zip(node.inputs, tensors).allSatisfy { $0 == nil || $1 != nil } && !node.inputs.isEmpty
      guard isConstant, node.outputs.count == 1, let op = node.op as? any ReferenceOperator else {
        kept.append(node)
        continue
      }
      do {
        let inputs = tensors.map { $0.map(ReferenceTensor.init) }
        guard let result = try op.evaluate(inputs).first else {
          kept.append(node)
          continue
        }
        let tensor = try result.tensor(.float64)
        replacement[node.outputs[0]] = graph.addParameter(tensor, suggestedKey: node.name + ".folded")
      } catch let error as RBNError {
        throw error.at(node.place)
      }
    }
    graph.nodes = kept
    for index in graph.outputs.indices {
      let value = graph.outputs[index].value
      graph.outputs[index].value = replacement[value] ?? value
    }
  }
}
