import RBNTensor

/// Recognises Representative BatchNorm, BatchNorm and other per-channel arithmetic by what it computes, and makes each
/// maximal chain of it one ``InstanceAffine``: one reduction at most, one multiply-add an element.
///
/// Every value is described, where possible, as a ``ChannelForm`` of an earlier value. Walking back from the
/// outputs, a value that has such a form is computed from its base directly; what only served it disappears.
///
/// A layer on vectors (N, C), which are their own means, becomes one on images of one pixel. Without a sigmoid such a chain
/// is left as it is: fully connected layers would gain nothing.
package enum RecognizeInstanceAffine: GraphPass {
  package static let name = "recognize-instance-affine"

  package static func run(_ graph: inout Graph) throws {
    try rewrite(&graph, try ChannelFormAnalysis.forms(of: graph))
  }

  private static func rewrite(_ graph: inout Graph, _ forms: [[ChannelForm]]) throws {
    var needed = Set(graph.outputs.map(\.value))
    var kept: [Graph.Node] = []
    for node in graph.nodes.reversed() {
      guard node.outputs.contains(where: { needed.contains($0) }) else { continue }
      var replacement = [node]
      if node.outputs.count == 1, let form = forms[node.outputs[0].index].first(where: \.isSpatial),
        form.base != node.outputs[0], !form.isVector || form.usesSigmoid
      {
        replacement = try nodes(node, form, &graph)
      }
      for node in replacement {
        for input in node.inputs { if let input { needed.insert(input) } }
      }
      kept += replacement.reversed()
    }
    graph.nodes = kept.reversed()
  }

  /// What computes a node's value by its form.
  private static func nodes(
    _ node: Graph.Node, _ form: ChannelForm, _ graph: inout Graph
  ) throws -> [Graph.Node] {
    let key = (node.module.path.isEmpty ? node.name : node.module.path) + ".coefficients"
    let coefficients = graph.addParameter(try form.coefficients(), suggestedKey: key)
    var affine = node
    affine.op = InstanceAffine(hasSigmoid: form.usesSigmoid, hasMean: form.usesMean)
    affine.inputs = [form.base, coefficients]
    guard form.isVector else { return [affine] }
    let image = graph.newValue(named: node.name + ".image")
    let result = graph.newValue(named: node.name + ".affine")
    let sizes = [-1, form.channels, 1, 1].map { SizeExpression.literal($0) }
    let before = Graph.Node(
      name: node.name + ".image", op: Reshape(sizes: sizes), inputs: [form.base], outputs: [image],
      module: node.module)
    affine.name = node.name + ".affine"
    affine.inputs[0] = image
    affine.outputs = [result]
    var after = node
    after.op = Flatten(startDim: 1)
    after.inputs = [result]
    return [before, affine, after]
  }
}
