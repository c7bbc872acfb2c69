import RBNGraph
import RBNTensor
import Testing

/// Small networks with seeded random parameters, built by hand, that the executor's suites run.
struct TestNetwork: CustomTestStringConvertible {
  let testDescription: String
  let graph: Graph
  /// Shapes to run besides the example.
  let shapes: [Shape]
}

/// SplitMix64: small, seeded, the same everywhere.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func tensor(_ shape: Shape, in range: ClosedRange<Float> = -1...1) throws -> Tensor {
    let count = try shape.elementCount()
    return try Tensor(shape: shape, scalars: (0..<count).map { _ in Float.random(in: range, using: &self) })
  }
}

/// Adds layers with random parameters to a graph.
struct NetworkWriter {
  var graph = Graph()
  var generator: SeededGenerator

  init(seed: UInt64) { generator = SeededGenerator(seed) }

  mutating func input(_ shape: Shape) -> Graph.ValueID {
    graph.addInput("x", shape: [nil, shape[1], nil, nil], exampleShape: shape)
  }

  mutating func parameter(_ key: String, _ shape: Shape, in range: ClosedRange<Float> = -1...1) throws
    -> Graph.ValueID
  {
    graph.parameters[key] = try generator.tensor(shape, in: range)
    return graph.parameter(key)
  }

  mutating func conv(
    _ path: String, _ x: Graph.ValueID, _ inChannels: Int, _ outChannels: Int, kernel: Int = 3,
    stride: Int = 1,
    padding: Int = 1, groups: Int = 1, bias: Bool = false
  ) throws -> Graph.ValueID {
    let bound = 1 / Float(inChannels / groups * kernel * kernel).squareRoot()
    let weight = try parameter(
      path + ".weight", [outChannels, inChannels / groups, kernel, kernel], in: -bound...bound)
    let biasValue = bias ? try parameter(path + ".bias", [outChannels]) : nil
    return graph.append(
      Conv2d(stride: stride, padding: padding, groups: groups), [x, weight, biasValue],
      module: ModuleCall(path))
  }

  mutating func batchNorm(_ path: String, _ x: Graph.ValueID, _ channels: Int) throws -> Graph.ValueID {
    let inputs = try [
      parameter(path + ".weight", [channels]), parameter(path + ".bias", [channels]),
      parameter(path + ".running_mean", [channels]),
      parameter(path + ".running_var", [channels], in: 0.3...2),
    ]
    return graph.append(BatchNorm(), [x] + inputs, module: ModuleCall(path))
  }

  mutating func rbn(_ path: String, _ x: Graph.ValueID, _ channels: Int, runningStatistics: Bool = true)
    throws
    -> Graph.ValueID
  {
    let column: Shape = [1, channels, 1, 1]
    var inputs: [Graph.ValueID?] = try ["weight", "bias", "center_weight", "scale_weight", "scale_bias"].map {
      try parameter("\(path).\($0)", column)
    }
    if runningStatistics {
      inputs.append(try parameter(path + ".running_mean", [channels]))
      inputs.append(try parameter(path + ".running_var", [channels], in: 0.3...2))
    }
    return graph.append(RepresentativeBatchNorm(), [x] + inputs, module: ModuleCall(path))
  }

  /// RBN as a chain of plain operations, the way an export of a module shows it.
  mutating func spelledOutRBN(_ path: String, _ x: Graph.ValueID, _ channels: Int) throws -> Graph.ValueID {
    let column: Shape = [1, channels, 1, 1]
    let module = ModuleCall(path)
    func key(_ name: String) -> String { "\(path).\(name)" }
    let centerWeight = try parameter(key("center_weight"), column)
    let mean = graph.append(AdaptiveAvgPool2d(), [x], module: module)
    let offset = graph.append(Binary(.mul), [mean, centerWeight], module: module)
    let centred = graph.append(Binary(.add), [x, offset], module: module)
    let normalised = graph.append(
      BatchNorm(eps: 1e-4),
      [
        centred, nil, nil, try parameter(key("running_mean"), [channels]),
        try parameter(key("running_var"), [channels], in: 0.3...2),
      ], module: module)
    let representative = graph.append(
      Reduction(.mean, dims: [-2, -1], keepdim: true), [normalised], module: module)
    let scaled = graph.append(
      Binary(.mul), [try parameter(key("scale_weight"), column), representative], module: module)
    let shifted = graph.append(
      Binary(.add), [scaled, try parameter(key("scale_bias"), column)], module: module)
    let gate = graph.append(Unary(.sigmoid), [shifted], module: module)
    let weighted = graph.append(Binary(.mul), [gate, try parameter(key("weight"), column)], module: module)
    let product = graph.append(Binary(.mul), [normalised, weighted], module: module)
    return graph.append(Binary(.add), [product, try parameter(key("bias"), column)], module: module)
  }

  mutating func unary(_ path: String, _ function: Unary.Function, _ x: Graph.ValueID) -> Graph.ValueID {
    graph.append(Unary(function), [x], module: ModuleCall(path))
  }

  mutating func add(_ a: Graph.ValueID, _ b: Graph.ValueID) -> Graph.ValueID {
    graph.append(Binary(.add), [a, b], module: ModuleCall(""))
  }

  mutating func head(_ x: Graph.ValueID, _ channels: Int, classes: Int) throws {
    let pooled = graph.append(AdaptiveAvgPool2d(), [x], module: ModuleCall("avgpool"))
    let flat = graph.append(Flatten(startDim: 1), [pooled], module: ModuleCall(""))
    let weight = try parameter("fc.weight", [classes, channels])
    let bias = try parameter("fc.bias", [classes])
    output(graph.append(Linear(), [flat, weight, bias], module: ModuleCall("fc")))
  }

  mutating func output(_ value: Graph.ValueID, _ name: String = "output") {
    graph.outputs.append(.init(name: name, value: value))
  }
}

extension TestNetwork {
  static func all() throws -> [TestNetwork] {
    [
      try residual(seed: 1, "RBN as a layer") { try $0.rbn($1, $2, $3) },
      try residual(seed: 2, "RBN spelled out") { try $0.spelledOutRBN($1, $2, $3) },
      try residual(seed: 3, "BatchNorm") { try $0.batchNorm($1, $2, $3) },
      try residual(seed: 4, "RBN without running statistics") {
        try $0.rbn($1, $2, $3, runningStatistics: false)
      },
      try invertedResidual(seed: 5), try centredTrunk(seed: 6), try dataMovement(seed: 7),
      try spelledOutActivations(seed: 8), try channelShuffle(seed: 9), try paddingModes(seed: 10),
      try constantImage(seed: 11),
    ]
  }

  /// A stem, a bottleneck with a projection shortcut, and a classifier.
  private static func residual(
    seed: UInt64, _ name: String,
    norm: (inout NetworkWriter, String, Graph.ValueID, Int) throws -> Graph.ValueID
  ) throws -> TestNetwork {
    var net = NetworkWriter(seed: seed)
    let x = net.input([2, 3, 17, 23])
    var y = try net.conv("conv1", x, 3, 20, kernel: 7, stride: 2, padding: 3)
    y = net.unary("relu", .relu, try norm(&net, "bn1", y, 20))
    y = net.graph.append(
      MaxPool2d(PoolWindow(kernel: 3, stride: 2, padding: 1)), [y], module: ModuleCall("maxpool"))
    let shortcut = try norm(
      &net, "downsample.1", try net.conv("downsample.0", y, 20, 70, kernel: 1, stride: 2, padding: 0), 70)
    var z = net.unary(
      "relu1", .relu, try norm(&net, "bn2", try net.conv("conv2", y, 20, 17, kernel: 1, padding: 0), 17))
    z = net.unary("relu2", .relu, try norm(&net, "bn3", try net.conv("conv3", z, 17, 17, stride: 2), 17))
    z = try norm(&net, "bn4", try net.conv("conv4", z, 17, 70, kernel: 1, padding: 0), 70)
    z = net.unary("relu3", .relu, net.add(z, shortcut))
    try net.head(z, 70, classes: 11)
    return TestNetwork(testDescription: name, graph: net.graph, shapes: [[1, 3, 32, 32], [3, 3, 9, 14]])
  }

  private static func invertedResidual(seed: UInt64) throws -> TestNetwork {
    var net = NetworkWriter(seed: seed)
    let x = net.input([1, 8, 12, 12])
    var y = net.unary(
      "act1", .clamp(min: 0, max: 6),
      try net.batchNorm("bn1", try net.conv("expand", x, 8, 48, kernel: 1, padding: 0), 48))
    y = net.graph.append(Pad(pad: [0, 1, 0, 1]), [y], module: ModuleCall("pad"))
    y = try net.conv("depthwise", y, 48, 48, stride: 1, padding: 1, groups: 48)
    y = net.unary("act2", .hardswish, try net.rbn("bn2", y, 48))
    y = try net.batchNorm("bn3", try net.conv("project", y, 48, 8, kernel: 2, padding: 0, bias: true), 8)
    let gate = net.graph.append(Reduction(.mean, dims: [2, 3], keepdim: true), [y], module: ModuleCall("se"))
    let attention = net.unary(
      "se", .sigmoid, try net.conv("se.conv", gate, 8, 8, kernel: 1, padding: 0, bias: true))
    y = net.graph.append(Binary(.mul), [y, attention], module: ModuleCall("se"))
    y = net.add(x, y)
    net.output(net.unary("act3", .silu, y))
    return TestNetwork(testDescription: "inverted residual", graph: net.graph, shapes: [[2, 8, 7, 11]])
  }

  /// A pre-activation block whose trunk reads what RBN centred in place.
  private static func centredTrunk(seed: UInt64) throws -> TestNetwork {
    var net = NetworkWriter(seed: seed)
    let x = net.input([2, 6, 8, 8])
    let module = ModuleCall("bn1")
    let mean = net.graph.append(Reduction(.mean, dims: [2, 3], keepdim: true), [x], module: module)
    let weight = try net.parameter("bn1.center_weight", [1, 6, 1, 1])
    let offset = net.graph.append(Binary(.mul), [mean, weight], module: module)
    let centred = net.graph.append(Binary(.add), [x, offset], module: module)
    let y = net.unary("relu", .relu, try net.batchNorm("bn1", centred, 6))
    let z = try net.conv("conv1", y, 6, 6)
    net.output(net.add(z, centred))
    net.output(centred, "trunk")
    return TestNetwork(testDescription: "centred trunk", graph: net.graph, shapes: [[1, 6, 5, 9]])
  }

  /// Zero-padded shortcuts, concatenation, permutation, slices and broadcasting.
  private static func dataMovement(seed: UInt64) throws -> TestNetwork {
    var net = NetworkWriter(seed: seed)
    let module = ModuleCall("shuffle")
    let x = net.input([2, 4, 6, 10])
    let even = net.graph.append(Slice(dim: 2, start: 0, end: .max, step: 2), [x], module: module)
    let sparse = net.graph.append(Slice(dim: 3, start: 1, end: .max, step: 2), [even], module: module)
    let padded = net.graph.append(Pad(pad: [0, 0, 0, 0, 2, 1]), [sparse], module: module)
    let joined = net.graph.append(Concat(dim: 1), [padded, sparse], module: module)
    let turned = net.graph.append(Permute(dims: [0, 3, 1, 2]), [joined], module: module)
    let softmax = net.graph.append(Softmax(dim: 1), [turned], module: module)
    let back = net.graph.append(Permute(dims: [0, 2, 3, 1]), [softmax], module: module)
    let pooled = net.graph.append(Reduction(.sum, dims: [1], keepdim: true), [joined], module: module)
    let scaled = net.graph.append(Binary(.div, scalar: 3, scalarIsFirst: false), [pooled], module: module)
    net.output(net.graph.append(Binary(.sub, alpha: 2), [back, scaled], module: module))
    net.output(net.graph.append(Flatten(startDim: 1), [joined], module: module), "flat")
    return TestNetwork(
      testDescription: "data movement", graph: net.graph, shapes: [[1, 4, 2, 2], [3, 4, 5, 7]])
  }
  /// Activations as decomposed exports and hand-written modules have them, behind norms.
  private static func spelledOutActivations(seed: UInt64) throws -> TestNetwork {
    var net = NetworkWriter(seed: seed)
    var y = net.input([2, 5, 9, 7])
    let module = ModuleCall("act")
    func append(_ op: any Operator, _ inputs: Graph.ValueID...) -> Graph.ValueID {
      net.graph.append(op, inputs, module: module)
    }
    func bounded(_ x: Graph.ValueID) -> Graph.ValueID {
      let low = append(Unary(.clamp(min: 0, max: nil)), append(Binary(.add, scalar: 3), x))
      return append(Unary(.clamp(min: nil, max: 6)), low)
    }
    func norm(_ name: String, _ x: Graph.ValueID) throws -> Graph.ValueID {
      try net.rbn(name, try net.conv(name + ".conv", x, 5, 5), 5)
    }
    y = try norm("bn1", y)
    y = append(Binary(.div, scalar: 6), append(Binary(.mul), y, bounded(y)))
    y = try norm("bn2", y)
    y = append(Binary(.mul), append(Binary(.div, scalar: 6), bounded(y)), y)
    y = try norm("bn3", y)
    y = append(Binary(.mul), y, append(Unary(.sigmoid), y))
    y = try norm("bn4", y)
    y = append(Binary(.mul, scalar: 1 / 6), append(Unary.relu6, append(Binary(.add, scalar: 3), y)))
    // Near misses, which stay what they are: another bound, another shift, a gate of another value.
    let six = append(Unary(.clamp(min: 0, max: 5)), append(Binary(.add, scalar: 3), y))
    let shifted = append(Unary.relu6, append(Binary(.add, scalar: 2), y))
    let gated = append(Binary(.mul), append(Binary(.div, scalar: 6), six), append(Unary(.sigmoid), shifted))
    net.output(append(Binary(.mul), append(Binary(.div, scalar: 6), shifted), gated))
    return TestNetwork(testDescription: "spelled out activations", graph: net.graph, shapes: [[1, 5, 4, 4]])
  }

  /// A shuffle of channels as networks write it, between convolutions.
  private static func channelShuffle(seed: UInt64) throws -> TestNetwork {
    var net = NetworkWriter(seed: seed)
    let x = net.input([2, 6, 8, 8])
    let y = try net.batchNorm("bn1", try net.conv("conv1", x, 6, 12, groups: 2), 12)
    let module = ModuleCall("shuffle")
    let parts = net.graph.append(
      Reshape(sizes: [-1, 3, 4, 8, 8].map { .literal($0) }), [y], module: module)
    let turned = net.graph.append(Permute(dims: [0, 2, 1, 3, 4]), [parts], module: module)
    let shuffled = net.graph.append(
      Reshape(sizes: [-1, 12, 8, 8].map { .literal($0) }), [turned], module: module)
    net.output(try net.conv("conv2", shuffled, 12, 5, groups: 1))
    return TestNetwork(testDescription: "channel shuffle", graph: net.graph, shapes: [])
  }
  /// Every kind of padding before a convolution.
  private static func paddingModes(seed: UInt64) throws -> TestNetwork {
    var net = NetworkWriter(seed: seed)
    let x = net.input([2, 3, 7, 9])
    var sum: Graph.ValueID?
    for (name, mode) in [
      ("constant", Pad.Mode.constant), ("reflect", .reflect), ("replicate", .replicate),
      ("circular", .circular),
    ] {
      let padded = net.graph.append(Pad(pad: [1, 2, 2, 0], mode: mode), [x], module: ModuleCall(name))
      let y = try net.conv(name, padded, 3, 6, padding: 0)
      sum = sum.map { net.add($0, y) } ?? y
    }
    if let sum { net.output(sum) }
    return TestNetwork(testDescription: "padding modes", graph: net.graph, shapes: [[1, 3, 5, 4]])
  }

  /// A parameter that is an image, read by operators that want it as activations are laid out.
  private static func constantImage(seed: UInt64) throws -> TestNetwork {
    var net = NetworkWriter(seed: seed)
    let x = net.input([2, 4, 6, 8])
    let image = try net.parameter("image", [1, 4, 5, 7])
    let module = ModuleCall("image")
    let convolved = try net.conv("conv1", image, 4, 6)
    let pooled = net.graph.append(
      MaxPool2d(PoolWindow(kernel: 3, stride: 2)), [image], module: module)
    let resized = net.graph.append(
      Upsample2d(.bilinear, outputSize: [.literal(3), .literal(4)]), [image], module: module)
    func mean(_ value: Graph.ValueID) -> Graph.ValueID {
      net.graph.append(Reduction(.amax, dims: [2, 3], keepdim: true), [value], module: module)
    }
    let y = net.add(try net.conv("conv2", x, 4, 6), mean(convolved))
    net.output(
      net.graph.append(Concat(dim: 1), [y, net.add(x, mean(net.add(pooled, mean(resized))))], module: module))
    return TestNetwork(testDescription: "constant image", graph: net.graph, shapes: [[1, 4, 3, 3]])
  }
}
