import RBNTensor

/// Arithmetic that looks like a calibration of Representative BatchNorm and is not one, or not one that can be fused: a
/// product of an image with a gate, or a sum with an offset, computed from means of an image by elementwise operations alone.
///
/// Gates that mix channels (squeeze and excitation: a convolution or a fully connected layer between the mean and the
/// sigmoid) are another layer, and none of these.
package struct CalibrationNearMiss: Hashable, Sendable {
  /// The node that applies the gate or the offset, or that normalises.
  package var node: String
  package var module: ModuleCall
  /// The first operation that the form of RBN has no place for, and why: `aten.hardsigmoid.default of the mean, not …`.
  package var reason: String

  /// Those of a graph in which ``RecognizeInstanceAffine`` would be the next pass.
  package static func all(in graph: Graph) throws -> [CalibrationNearMiss] {
    let types = try graph.inferTypes(inputShapes: graph.inputs.map(\.exampleShape))
    let search = Search(
      graph: graph, types: types, forms: try ChannelFormAnalysis.forms(of: graph), producers: graph.producers)
    return graph.nodes.compactMap(search.nearMiss)
  }
}

/// What a walk back from an operand went through.
private struct Trace {
  /// The indices of the nodes, in no order.
  var nodes: Set<Int> = []
  var reachesMean = false
  var hasGate = false
  var hasParameter = false
}

private struct Search {
  let graph: Graph
  let types: [TensorType?]
  let forms: [[ChannelForm]]
  let producers: [Int?]

  func nearMiss(_ node: Graph.Node) -> CalibrationNearMiss? {
    let reason =
      switch node.op {
      case let op as Binary: calibration(node, op)
      case is BatchNorm: batchStatistics(node, meanAt: 3)
      case is RepresentativeBatchNorm: batchStatistics(node, meanAt: 6)
      default: nil as String?
      }
    return reason.map { CalibrationNearMiss(node: node.name, module: node.module, reason: $0) }
  }

  // MARK: Gates and offsets

  private func calibration(_ node: Graph.Node, _ op: Binary) -> String? {
    guard op.scalar == nil, op.function == .mul || op.function == .add, node.inputs.count == 2,
      forms[node.outputs[0].index].isEmpty, types[node.outputs[0].index]?.shape.rank == 4
    else { return nil }
    for operand in node.inputs.compactMap({ $0 }) {
      guard let trace = trace(operand), trace.reachesMean else { continue }
      guard op.function == .mul ? trace.hasGate : trace.hasParameter else { continue }
      let lost = trace.nodes.sorted().first { forms[graph.nodes[$0].outputs[0].index].isEmpty }
      return lost.map { reason(graph.nodes[$0]) } ?? reason(node)
    }
    return nil
  }

  /// Follows elementwise operations back to means of images; nil where anything else feeds the operand.
  private func trace(_ value: Graph.ValueID) -> Trace? {
    var trace = Trace()
    var open = [value]
    while let value = open.popLast() {
      if graph.isParameter(value) {
        trace.hasParameter = true
        continue
      }
      guard let index = producers[value.index] else { return nil }
      guard trace.nodes.insert(index).inserted else { continue }
      let node = graph.nodes[index]
      switch node.op {
      case is AdaptiveAvgPool2d, is AdaptiveMaxPool2d: trace.reachesMean = true
      case let op as Reduction where isSpatial(op, node): trace.reachesMean = true
      case let op as Unary where Self.isGate(op.function):
        trace.hasGate = true
        open += node.inputs.compactMap { $0 }
      case is Binary, is Reshape, is Flatten, is Expand, is Identity: open += node.inputs.compactMap { $0 }
      default: return nil
      }
    }
    return trace
  }

  private func isSpatial(_ op: Reduction, _ node: Graph.Node) -> Bool {
    guard let input = node.inputs[0], types[input.index]?.shape.rank == 4, let axes = try? op.axes(rank: 4)
    else { return false }
    return axes.contains { $0 >= 2 }
  }

  private static func isGate(_ function: Unary.Function) -> Bool {
    switch function {
    case .sigmoid, .hardsigmoid, .tanh, .clamp, .relu, .silu, .hardswish, .softplus: true
    default: false
    }
  }

  // MARK: Statistics

  /// The layer without running statistics, between the two calibrations of an RBN.
  private func batchStatistics(_ node: Graph.Node, meanAt index: Int) -> String? {
    guard index >= node.inputs.count || node.inputs[index] == nil else { return nil }
    let isCentred = forms(node.inputs[0]).contains(where: \.usesMean)
    let isScaled = forms.joined().contains { $0.base == node.outputs[0] && $0.usesSigmoid }
    guard node.op is RepresentativeBatchNorm || isCentred || isScaled else { return nil }
    return "its statistics are those of the batch at hand, which are known only after all of it is there"
  }

  // MARK: Reasons

  private func reason(_ node: Graph.Node) -> String {
    switch node.op {
    case let op as AdaptiveAvgPool2d:
      "pools to \(op.outputSize[0])×\(op.outputSize[1]), not to one mean a channel"
    case is AdaptiveMaxPool2d: "takes the largest value over H and W, not the mean"
    case let op as Reduction: reason(op)
    case let op as Unary where op.function == .sigmoid:
      forms(node.inputs[0]).contains(where: \.usesSigmoid)
        ? "takes the sigmoid of something that depends on a sigmoid" : "takes the sigmoid of more than a mean"
    case let op as Unary: "computes \(op.name) of the mean, not the sigmoid"
    case let op as Binary: reason(node, op)
    default: "computes \(node.op.name), which the layer has not"
    }
  }

  private func reason(_ op: Reduction) -> String {
    switch op.function {
    case .mean: "takes the mean over the dimensions \(op.dims), not over H and W"
    case .sum: "takes the sum over H and W of images whose size is free, not the mean"
    default: "takes \(op.name) over H and W, not the mean"
    }
  }

  private func reason(_ node: Graph.Node, _ op: Binary) -> String {
    let operands = node.inputs.compactMap { $0 }
    if let parameter = operands.first(where: graph.isParameter), let type = types[parameter.index] {
      return "has a parameter of shape \(type.shape), not one number a channel"
    }
    let bases = operands.map { Set(forms($0).map(\.base) + [$0]) }
    if bases.count == 2, bases[0].isDisjoint(with: bases[1]) {
      return "the mean is of another value than the one that is calibrated"
    }
    return "\(op.name) of two values that both depend on the mean or the sigmoid"
  }

  private func forms(_ value: Graph.ValueID?) -> [ChannelForm] { value.map { forms[$0.index] } ?? [] }
}
