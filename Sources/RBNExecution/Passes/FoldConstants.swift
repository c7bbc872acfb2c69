import RBNGraph
import RBNTensor

/// Evaluates nodes that depend on parameters alone, by the reference, in float64.
package enum FoldConstants: GraphPass {
  package static let name = "fold-constants"

  /// The elements of all results together, beside those of the parameters; what exceeds them stays in the graph.
  private static let elementLimit = 1 << 24

  package static func run(_ graph: inout Graph) throws {
    var kept: [Graph.Node] = []
    var replacement: [Graph.ValueID: Graph.ValueID] = [:]
    var budget = graph.parameters.values.reduce(elementLimit) { $0 + $1.count }
    for var node in graph.nodes {
      node.inputs = node.inputs.map { $0.map { replacement[$0] ?? $0 } }
      let tensors = node.inputs.map { graph.tensor(of: $0) }
      let isConstant = zip(node.inputs, tensors).allSatisfy { $0 == nil || $1 != nil } && !node.inputs.isEmpty
      guard isConstant, node.outputs.count == 1, let op = node.op as? any ReferenceOperator else {
        kept.append(node)
        continue
      }
      do {
        let types = tensors.map { $0.map { TensorType($0.shape, $0.dtype) } }
        guard let type = try op.inferTypes(types).first, try type.shape.elementCount() <= budget,
          let result = try op.evaluate(tensors.map { $0.map(ReferenceTensor.init) }).first
        else {
          kept.append(node)
          continue
        }
        budget -= try type.shape.elementCount()
        let tensor = try result.tensor(type.dtype.isFloatingPoint ? .float64 : type.dtype)
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
