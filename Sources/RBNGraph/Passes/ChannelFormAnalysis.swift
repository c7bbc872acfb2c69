import RBNTensor

/// Computes the forms of values, node by node.
struct ChannelFormAnalysis {
  private let graph: Graph
  private let types: [TensorType?]
  /// For every value its forms, that of the earliest base first.
  private(set) var forms: [[ChannelForm]]

  /// The forms of all values of a graph.
  static func forms(of graph: Graph) throws -> [[ChannelForm]] {
    let types = try graph.inferTypes(inputShapes: graph.inputs.map(\.exampleShape))
    var analysis = ChannelFormAnalysis(graph: graph, types: types)
    for node in graph.nodes { analysis.visit(node) }
    return analysis.forms
  }

  /// A value may be seen from several bases; more than this many never occur in a useful way.
  private static let formsPerValue = 4
  /// Values of more channels have no forms.
  private static let maximumChannels = 1 << 14
  /// The numbers that forms may still hold: sizes are declared by a file, whether it has weights of these sizes or not.
  private var budget: Int

  private init(graph: Graph, types: [TensorType?]) {
    self.graph = graph
    self.types = types
    forms = [[ChannelForm]](repeating: [], count: graph.values.count)
    budget = graph.parameters.values.reduce(1 << 22) { $0 + 2 * $1.count }
  }

  private mutating func visit(_ node: Graph.Node) {
    guard node.outputs.count == 1, let outputType = types[node.outputs[0].index] else { return }
    let output = node.outputs[0]
    let result: [ChannelForm]
    switch node.op {
    case let op as Reduction: result = reduction(node, op)
    case let op as AdaptiveAvgPool2d where op.outputSize == [1, 1]:
      result = formsOrBase(node.inputs[0]).filter { !$0.isVector }.map(\.mean)
    case is Identity: result = formsOfInput(node, 0)
    case is Reshape, is Flatten, is Expand: result = formsOfInput(node, 0).filter { !$0.isSpatial }
    case let op as Binary: result = binary(node, op)
    case let op as Unary: result = unary(node, op)
    case let op as BatchNorm: result = batchNorm(node, op)
    case let op as RepresentativeBatchNorm: result = representativeBatchNorm(node, op)
    default: result = []
    }
    let found = result.filter { fits($0, outputType.shape) }.prefix(Self.formsPerValue)
    for form in found {
      budget -= form.numberCount
      guard budget >= 0 else { break }
      forms[output.index].append(form)
    }
  }

  /// Whether a value of this shape can hold a form: of the base's shape when spatial, else one number (or a broadcast
  /// one) for each instance and channel.
  private func fits(_ form: ChannelForm, _ shape: Shape) -> Bool {
    guard let base = types[form.base.index]?.shape else { return false }
    if form.isSpatial { return shape == base }
    guard shape.rank == 2 || shape.rank == 4, shape[0] == base[0], shape[1] == base[1] else { return false }
    return shape.rank == 2 || shape == base || (shape[2] == 1 && shape[3] == 1)
  }

  private func formsOfInput(_ node: Graph.Node, _ index: Int) -> [ChannelForm] {
    guard index < node.inputs.count, let input = node.inputs[index] else { return [] }
    return forms[input.index]
  }

  /// The forms of a value that is images or vectors, its trivial one among them.
  private func formsOrBase(_ value: Graph.ValueID?) -> [ChannelForm] {
    guard let value, !graph.isParameter(value), let type = types[value.index],
      type.dtype.isFloatingPoint, type.shape.rank == 4 || type.shape.rank == 2
    else { return [] }
    let shape = type.shape
    guard shape[1] <= Self.maximumChannels else { return [] }
    return forms[value.index] + [ChannelForm(base: value, channels: shape[1], isVector: shape.rank == 2)]
  }

  /// A parameter as one number a channel, for arithmetic with a value of the given rank.
  private func constant(_ value: Graph.ValueID?, channels: Int, rank: Int) -> [Double]? {
    guard let tensor = graph.tensor(of: value), tensor.dtype.isFloatingPoint else { return nil }
    let values = tensor.doubles
    if values.count == 1 && tensor.shape.rank <= rank {
      return [Double](repeating: values[0], count: channels)
    }
    guard values.count == channels else { return nil }
    let shape = tensor.shape.dimensions
    let accepted = rank == 4 ? [[1, channels, 1, 1], [channels, 1, 1]] : [[1, channels], [channels]]
    return accepted.contains(shape) ? values : nil
  }

  private func vector(_ value: Graph.ValueID?, channels: Int, absent: Double) -> [Double]? {
    guard let value else { return [Double](repeating: absent, count: channels) }
    guard let tensor = graph.tensor(of: value), tensor.count == channels else { return nil }
    return tensor.doubles
  }
}

// MARK: - The ops

extension ChannelFormAnalysis {
  /// A mean; or a sum where the network fixes the number of pixels, which is a multiple of the mean.
  private func reduction(_ node: Graph.Node, _ op: Reduction) -> [ChannelForm] {
    guard let input = node.inputs[0], let shape = types[input.index]?.shape, shape.rank == 4,
      let axes = try? op.axes(rank: 4), axes == [2, 3]
    else { return [] }
    let means = formsOrBase(input).map(\.mean)
    if op.function == .mean { return means }
    guard op.function == .sum, graph.inputs.allSatisfy({ $0.shape.dropFirst().allSatisfy { $0 != nil } })
    else { return [] }
    let pixels = Double(shape[2]) * Double(shape[3])
    return means.map { $0.scaled(by: [Double](repeating: pixels, count: $0.channels)) }
  }

  private func unary(_ node: Graph.Node, _ op: Unary) -> [ChannelForm] {
    let inputs = formsOfInput(node, 0)
    switch op.function {
    case .neg: return inputs.map { $0.scaled(by: [Double](repeating: -1, count: $0.channels)) }
    case .sigmoid:
      return inputs.filter { !$0.usesSigmoid && ($0.isVector || !$0.isSpatial) }.map { form in
        // A vector is its own mean.
        let argument = form.isVector ? form.mean : form
        return ChannelForm(
          base: form.base, sigmoid: .init(id: node.outputs[0], p: argument.m, q: argument.one),
          isVector: form.isVector)
      }
    default: return []
    }
  }

  private func binary(_ node: Graph.Node, _ op: Binary) -> [ChannelForm] {
    let rank = types[node.outputs[0].index]?.shape.rank ?? 0
    func repeated(_ value: Double, _ channels: Int) -> [Double] {
      [Double](repeating: value, count: channels)
    }

    if let scalar = op.scalar {
      return formsOrBase(node.inputs[0]).ifEmpty(formsOfInput(node, 0)).compactMap {
        combine(op, $0, constant: repeated(scalar, $0.channels), constantIsFirst: op.scalarIsFirst)
      }
    }
    guard node.inputs.count == 2, let a = node.inputs[0], let b = node.inputs[1] else { return [] }
    if graph.isParameter(b) || graph.isParameter(a) {
      let constantIsFirst = graph.isParameter(a)
      let (value, parameter) = constantIsFirst ? (b, a) : (a, b)
      return formsOrBase(value).ifEmpty(formsOfInput(node, constantIsFirst ? 1 : 0)).compactMap { form in
        guard let numbers = constant(parameter, channels: form.channels, rank: rank) else { return nil }
        return combine(op, form, constant: numbers, constantIsFirst: constantIsFirst)
      }
    }
    // (N, C) is not broadcast along the channels of (N, C, H, W).
    guard types[a.index]?.shape.rank == types[b.index]?.shape.rank else { return [] }
    var results: [ChannelForm] = []
    for left in formsOrBase(a).ifEmpty(forms[a.index]) {
      for right in formsOrBase(b).ifEmpty(forms[b.index]) where left.base == right.base {
        // Two trivial forms of the same value say nothing; a product of two images has no form.
        let alpha = repeated(op.alpha, right.channels)
        let result: ChannelForm? =
          switch op.function {
          case .add: left.adding(right.scaled(by: alpha))
          case .sub: left.adding(right.scaled(by: alpha.map { -$0 }))
          case .mul: left.multiplied(by: right)
          default: nil
          }
        if let result { results.append(result) }
      }
    }
    return results
  }

  private func combine(_ op: Binary, _ form: ChannelForm, constant: [Double], constantIsFirst: Bool)
    -> ChannelForm?
  {
    let alpha = [Double](repeating: op.alpha, count: constant.count)
    let minus = alpha.map { -$0 }
    switch (op.function, constantIsFirst) {
    case (.add, false): return form.shifted(by: zip(constant, alpha).map { $0 * $1 })
    case (.add, true): return form.scaled(by: alpha).shifted(by: constant)
    case (.sub, false): return form.shifted(by: zip(constant, minus).map { $0 * $1 })
    case (.sub, true): return form.scaled(by: minus).shifted(by: constant)
    case (.mul, _): return form.scaled(by: constant)
    case (.div, false):
      return constant.contains(0) ? nil : form.scaled(by: constant.map { 1 / $0 })
    default: return nil
    }
  }

  private func batchNorm(_ node: Graph.Node, _ op: BatchNorm) -> [ChannelForm] {
    formsOrBase(node.inputs[0]).compactMap { form in
      guard let scale = normalisation(node, eps: op.eps, meanAt: 3, channels: form.channels),
        let weight = vector(node.inputs[1], channels: form.channels, absent: 1),
        let bias = vector(node.inputs[2], channels: form.channels, absent: 0)
      else { return nil }
      let normalised = form.shifted(by: scale.mean.map { -$0 }).scaled(by: scale.inverse)
      return normalised.scaled(by: weight).shifted(by: bias)
    }
  }

  private func representativeBatchNorm(_ node: Graph.Node, _ op: RepresentativeBatchNorm) -> [ChannelForm] {
    formsOrBase(node.inputs[0]).filter { !$0.isVector }.compactMap { form in
      let channels = form.channels
      guard let scale = normalisation(node, eps: op.eps, meanAt: 6, channels: channels),
        let weight = vector(node.inputs[1], channels: channels, absent: 1),
        let bias = vector(node.inputs[2], channels: channels, absent: 0),
        let centerWeight = vector(node.inputs[3], channels: channels, absent: 0),
        let centred = form.adding(form.mean.scaled(by: centerWeight))
      else { return nil }
      var result = centred.shifted(by: scale.mean.map { -$0 }).scaled(by: scale.inverse)
      if node.inputs[4] != nil {
        guard let scaleWeight = vector(node.inputs[4], channels: channels, absent: 0),
          let scaleBias = vector(node.inputs[5], channels: channels, absent: 0), !result.usesSigmoid
        else { return nil }
        let argument = result.mean.scaled(by: scaleWeight).shifted(by: scaleBias)
        let gate = ChannelForm(
          base: form.base, sigmoid: .init(id: node.outputs[0], p: argument.m, q: argument.one))
        guard let gated = result.multiplied(by: gate) else { return nil }
        result = gated
      }
      return result.scaled(by: weight).shifted(by: bias)
    }
  }

  /// The running mean and 1 / sqrt(running variance + eps), when both are parameters and the result is finite.
  private func normalisation(_ node: Graph.Node, eps: Double, meanAt index: Int, channels: Int) -> (
    mean: [Double], inverse: [Double]
  )? {
    guard index + 1 < node.inputs.count, node.inputs[index] != nil, node.inputs[index + 1] != nil,
      let mean = vector(node.inputs[index], channels: channels, absent: 0),
      let variance = vector(node.inputs[index + 1], channels: channels, absent: 1)
    else { return nil }
    let inverse = variance.map { 1 / ($0 + eps).squareRoot() }
    return inverse.allSatisfy(\.isFinite) ? (mean, inverse) : nil
  }
}

extension [ChannelForm] {
  fileprivate func ifEmpty(_ other: [ChannelForm]) -> [ChannelForm] { isEmpty ? other : self }
}
