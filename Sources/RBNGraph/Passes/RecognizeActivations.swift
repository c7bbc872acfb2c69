import RBNTensor

/// Makes one ``Unary`` of the operations that decomposed exports and hand-written modules spell hardsigmoid, hardswish and
/// SiLU with: clamp(x + 3, 0, 6) / 6, x times that, and x · sigmoid(x).
///
/// Each of the operations would be a pass over the activation, and a norm before them would be computed for each of its
/// readers.
package enum RecognizeActivations: GraphPass {
  package static let name = "recognize-activations"

  package static func run(_ graph: inout Graph) throws {
    let producers = graph.producers
    for index in graph.nodes.indices {
      let spelling = Spelling(nodes: graph.nodes, producers: producers)
      guard let (function, x) = spelling.activation(graph.nodes[index]) else { continue }
      graph.nodes[index].op = Unary(function)
      graph.nodes[index].inputs = [x]
    }
    graph.removeUnreadNodes()
  }
}

/// What a graph's nodes spell.
private struct Spelling {
  let nodes: [Graph.Node]
  let producers: [Int?]

  /// The activation whose value a node gives, and its argument.
  func activation(_ node: Graph.Node) -> (Unary.Function, Graph.ValueID)? {
    if let sixfold = dividedBySix(node) {
      if let x = shiftedAndBounded(sixfold) { return (.hardsigmoid, x) }
      return product(sixfold).flatMap { factors in
        either(factors) { shiftedAndBounded($0) == $1 }.map { (.hardswish, $0) }
      }
    }
    guard let factors = product(node.outputs.first) else { return nil }
    if let x = either(factors, { argument(.hardsigmoid, $0) == $1 }) { return (.hardswish, x) }
    if let x = either(factors, { argument(.sigmoid, $0) == $1 }) { return (.silu, x) }
    return nil
  }

  private func node(_ value: Graph.ValueID?) -> Graph.Node? {
    value.flatMap { producers[$0.index] }.map { nodes[$0] }
  }

  /// The factor for which a condition holds of the other and it.
  private func either(
    _ factors: (Graph.ValueID, Graph.ValueID), _ holds: (Graph.ValueID, Graph.ValueID) -> Bool
  ) -> Graph.ValueID? {
    if holds(factors.0, factors.1) { return factors.1 }
    return holds(factors.1, factors.0) ? factors.0 : nil
  }

  /// The argument of a function whose value is given.
  private func argument(_ function: Unary.Function, _ value: Graph.ValueID) -> Graph.ValueID? {
    guard let node = node(value), let unary = node.op as? Unary, unary.function == function else {
      return nil
    }
    return node.inputs[0]
  }

  /// The two tensors whose product a value is.
  private func product(_ value: Graph.ValueID?) -> (Graph.ValueID, Graph.ValueID)? {
    guard let node = node(value), let binary = node.op as? Binary, binary.function == .mul,
      binary.scalar == nil,
      let a = node.inputs[0], let b = node.inputs[1]
    else { return nil }
    return (a, b)
  }

  /// What a node divides by 6.
  private func dividedBySix(_ node: Graph.Node) -> Graph.ValueID? {
    guard let binary = node.op as? Binary, let scalar = binary.scalar else { return nil }
    switch binary.function {
    case .div where !binary.scalarIsFirst && scalar == 6: return node.inputs[0]
    // As near as float32 comes to a sixth.
    case .mul where (scalar * 6 - 1).magnitude < 1e-7: return node.inputs[0]
    default: return nil
    }
  }

  /// The x of clamp(x + 3, 0, 6), its bounds in one operation or in several.
  private func shiftedAndBounded(_ value: Graph.ValueID) -> Graph.ValueID? {
    var low = -Double.infinity
    var high = Double.infinity
    var argument: Graph.ValueID? = value
    while let node = node(argument), let unary = node.op as? Unary {
      switch unary.function {
      case .relu: low = max(low, 0)
      case .clamp(let least, let most):
        low = max(low, least ?? low)
        high = min(high, most ?? high)
      default: return nil
      }
      argument = node.inputs[0]
    }
    // Bounds that leave nothing between them would depend on their order.
    guard low == 0, high == 6, let node = node(argument), let binary = node.op as? Binary,
      binary.function == .add, binary.scalar == 3, binary.alpha == 1
    else { return nil }
    return node.inputs[0]
  }
}
