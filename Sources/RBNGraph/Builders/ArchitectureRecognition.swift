import RBNTensor

extension Architectures {
  /// The name of the architecture whose keys and shapes these are, whatever the number of classes and the kind of its
  /// normalisation layers.
  ///
  /// What decides is the number of stages, the kind of block (bottlenecks have a `conv3`), the number of blocks of each
  /// stage, and the groups and width that the 3×3 convolutions' shapes tell. Whether every key is there is checked later.
  ///
  /// - Throws: `architecture.not-recognised`, with what was found and the nearest architecture.
  package static func recognise(_ keysAndShapes: [(key: String, shape: Shape)]) throws -> String {
    var shapes: [String: Shape] = [:]
    for (key, shape) in keysAndShapes { shapes[key] = shape }
    let found = observe(shapes)
    if let found, let match = table.first(where: { $0.architecture == found }) { return match.name }
    throw notRecognised(shapes, found)
  }

  /// The residual network that the keys spell, in the table or not; `nil` when they spell none.
  private static func observe(_ shapes: [String: Shape]) -> ResNetArchitecture? {
    let stages = [1, 2, 3, 4].map { depth(ofStage: $0, shapes) }
    guard stages[0] > 0, stages[1] > 0, stages[2] > 0, shapes["layer1.0.conv1.weight"] != nil,
      shapes["conv1.weight"] != nil
    else { return nil }
    let isBottleneck = shapes.keys.contains { $0.hasPrefix("layer") && $0.hasSuffix(".conv3.weight") }
    var result = ResNetArchitecture(
      family: stages[3] > 0 ? .imageNet : .cifar, block: isBottleneck ? .bottleneck : .basic,
      depths: stages[3] > 0 ? stages : Array(stages[..<3]))
    if isBottleneck, let (groups, width) = bottleneckWidth(stages, shapes) {
      (result.groups, result.width) = (groups, width)
    }
    return result
  }

  /// The number of blocks `layer<stage>.0`, `layer<stage>.1`, … without a gap.
  private static func depth(ofStage stage: Int, _ shapes: [String: Shape]) -> Int {
    let prefix = "layer\(stage)."
    let indices = Set(
      shapes.keys.filter { $0.hasPrefix(prefix) }.compactMap { key -> Int? in
        key.dropFirst(prefix.count).split(separator: ".", maxSplits: 1).first.flatMap { Int($0) }
      })
    var depth = 0
    while indices.contains(depth) { depth += 1 }
    return depth
  }

  /// Groups and first-stage width, from the first 3×3 convolution of a bottleneck that is there.
  private static func bottleneckWidth(_ stages: [Int], _ shapes: [String: Shape]) -> (Int, Int)? {
    for (stage, depth) in stages.enumerated() {
      for index in 0..<depth {
        guard let shape = shapes["layer\(stage + 1).\(index).conv2.weight"], shape.rank == 4, shape[1] > 0,
          shape[0] % shape[1] == 0, shape[0] > 0
        else { continue }
        return (shape[0] / shape[1], shape[0] >> stage)
      }
    }
    return nil
  }

  private static func notRecognised(_ shapes: [String: Shape], _ found: ResNetArchitecture?) -> RBNError {
    let ledgers = table.map { entry -> (name: String, ledger: ParameterLedger) in
      var builder = ResNetBuilder(entry.architecture, ledger: ParameterLedger(shapes: shapes))
      builder.build()
      return (entry.name, builder.ledger)
    }
    var message = "the network was not recognised by the names and shapes of its \(shapes.count) tensors: "
    message +=
      found.map { "they spell \($0.description), which is not in the table" } ?? "they are no ResNet's"
    if let nearest = ledgers.min(by: { $0.ledger.problemCount < $1.ledger.problemCount }) {
      let ledger = nearest.ledger
      message +=
        "; nearest is \(nearest.name), with \(ledger.missing.count) keys missing, "
        + "\(ledger.unexpected.count) unexpected and \(ledger.misshapen.count) of another shape"
      let examples = [
        ledger.missing.sorted().first.map { "\($0) is missing" },
        ledger.unexpected.first.map { "\($0) is unexpected" }, ledger.misshapen.sorted().first,
      ].compactMap { $0 }
      if !examples.isEmpty { message += " (\(examples.joined(separator: "; ")))" }
    }
    return RBNError(
      .unrecognisedArchitecture, .model, message,
      advice: "name the architecture with --architecture, or export the network with torch.export")
  }
}
