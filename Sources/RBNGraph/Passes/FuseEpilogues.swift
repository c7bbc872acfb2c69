import RBNTensor

/// Moves a residual addition and an activation into the convolution or instance affine whose result they read.
package enum FuseEpilogues: GraphPass {
  package static let name = "fuse-epilogues"

  package static func run(_ graph: inout Graph) throws {
    try fuseResiduals(&graph)
    fuseActivations(&graph)
  }

  /// The functions that kernels apply to a result before they store it.
  private static func isEpilogue(_ function: Unary.Function) -> Bool {
    switch function {
    case .relu, .clamp, .hardswish, .hardsigmoid, .silu, .sigmoid: true
    default: false
    }
  }

  /// add(producer(x), other) → producer(x, residual: other), in the place of the addition.
  ///
  /// Of one shape at every size of the inputs: at some, the addition may have to broadcast.
  private static func fuseResiduals(_ graph: inout Graph) throws {
    guard graph.nodes.contains(where: { ($0.op as? Binary)?.function == .add }) else { return }
    let types = try graph.typesAtSeveralSizes()
    var producers = graph.producers
    let readers = graph.readers
    let outputs = Set(graph.outputs.map(\.value))
    var removed = Set<Int>()
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      guard let add = node.op as? Binary, add.function == .add, add.scalar == nil, add.alpha == 1,
        let a = node.inputs[0], let b = node.inputs[1], a != b,
        types.allSatisfy({ $0[a.index] == $0[b.index] })
      else { continue }
      // The operand computed last: the other is there by then.
      let candidates = [(a, b), (b, a)].compactMap { value, other in
        producers[value.index].map { (producer: $0, value: value, other: other) }
      }
      let usable = candidates.filter { candidate in
        let producer = graph.nodes[candidate.producer]
        return readers[candidate.value.index].count == 1 && !outputs.contains(candidate.value)
          && !removed.contains(candidate.producer) && takesResidual(producer)
          && !graph.isParameter(candidate.other)
      }
      guard let chosen = usable.max(by: { $0.producer < $1.producer }) else { continue }
      var fused = graph.nodes[chosen.producer]
      if let conv = fused.op as? Conv2d {
        fused.op = FusedConv2d(conv)
        fused.inputs = [
          fused.inputs[0], fused.inputs[1], fused.inputs.count > 2 ? fused.inputs[2] : nil, chosen.other,
        ]
      } else if fused.op is FusedConv2d {
        fused.inputs[3] = chosen.other
      } else {
        fused.inputs = [fused.inputs[0], fused.inputs[1], chosen.other]
      }
      fused.outputs = node.outputs
      graph.nodes[index] = fused
      producers[node.outputs[0].index] = index
      removed.insert(chosen.producer)
    }
    graph.nodes = graph.nodes.indices.filter { !removed.contains($0) }.map { graph.nodes[$0] }
  }

  private static func takesResidual(_ node: Graph.Node) -> Bool {
    switch node.op {
    case is Conv2d: true
    case let op as FusedConv2d: op.activation == nil && node.inputs.count > 3 && node.inputs[3] == nil
    case let op as InstanceAffine: op.activation == nil && node.inputs.count < 3
    default: false
    }
  }

  /// activation(producer(x)) → producer(x, activation).
  private static func fuseActivations(_ graph: inout Graph) {
    let producers = graph.producers
    let readers = graph.readers
    let outputs = Set(graph.outputs.map(\.value))
    var removed = Set<Int>()
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      guard let unary = node.op as? Unary, isEpilogue(unary.function), let x = node.inputs[0],
        let producer = producers[x.index], readers[x.index].count == 1, !outputs.contains(x)
      else { continue }
      switch graph.nodes[producer].op {
      case let conv as Conv2d: graph.nodes[producer].op = FusedConv2d(conv, activation: unary.function)
      case var fused as FusedConv2d where fused.activation == nil:
        fused.activation = unary.function
        graph.nodes[producer].op = fused
      case var affine as InstanceAffine where affine.activation == nil:
        affine.activation = unary.function
        graph.nodes[producer].op = affine
      default: continue
      }
      graph.nodes[producer].outputs = node.outputs
      removed.insert(index)
    }
    graph.nodes = graph.nodes.indices.filter { !removed.contains($0) }.map { graph.nodes[$0] }
  }
}
