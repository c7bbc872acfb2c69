import RBNGraph

/// A layer by itself, at a size at which a well-known network has it.
struct KernelCase: Sendable {
  /// What stands behind a convolution.
  enum Norm: Sendable { case batchNorm, representativeBatchNorm }

  /// `conv2d 3x3 64->64 56x56 s1`: kernel, channels, size of the input, stride.
  var name: String
  /// The networks that have it.
  var networks: [String]
  /// A graph of one input.
  var graph: @Sendable () throws -> Graph

  /// The layers of ResNet-50, ResNet-18, ResNeXt-50 and MobileNetV2 at 224×224, each once.
  static let all: [KernelCase] = {
    let table: [(String, [KernelCase])] = [
      ("resnet50", bottleneckNetwork(groups: 1, width: 64)), ("resnet18", basicNetwork()),
      ("resnext50_32x4d", bottleneckNetwork(groups: 32, width: 128)), ("mobilenet_v2", mobileNetV2()),
    ]
    var cases: [KernelCase] = []
    var position: [String: Int] = [:]
    for (network, layers) in table {
      for layer in layers {
        if let known = position[layer.name] {
          if !cases[known].networks.contains(network) { cases[known].networks.append(network) }
        } else {
          position[layer.name] = cases.count
          cases.append(layer)
          cases[cases.count - 1].networks = [network]
        }
      }
    }
    return cases + elementwise
  }()
}

// MARK: - Networks

extension KernelCase {
  private static func bottleneckNetwork(groups: Int, width base: Int) -> [KernelCase] {
    var cases = stem
    var (channels, size) = (64, 56)
    for stage in 0..<4 {
      let (width, outputs, stride) = (base << stage, 256 << stage, stage > 0 ? 2 : 1)
      cases += convolutions(channels, width, 1, size)
      cases += convolutions(width, width, 3, size, stride: stride, groups: groups)
      cases += convolutions(channels, outputs, 1, size, stride: stride)
      size /= stride
      cases += convolutions(width, outputs, 1, size)
      cases += convolutions(outputs, width, 1, size)
      cases += convolutions(width, width, 3, size, groups: groups)
      channels = outputs
    }
    return cases + head(channels, size)
  }

  private static func basicNetwork() -> [KernelCase] {
    var cases = stem
    var (channels, size) = (64, 56)
    for stage in 0..<4 {
      let (width, stride) = (64 << stage, stage > 0 ? 2 : 1)
      if stride > 1 {
        cases += convolutions(channels, width, 3, size, stride: stride)
        cases += convolutions(channels, width, 1, size, stride: stride)
      }
      size /= stride
      cases += convolutions(width, width, 3, size)
      channels = width
    }
    return cases + head(channels, size)
  }

  private static func mobileNetV2() -> [KernelCase] {
    var cases = convolutions(3, 32, 3, 224, stride: 2)
    var (channels, size) = (32, 112)
    // Expansion, channels, blocks, stride: table 2 of the paper (Sandler et al., 2018).
    let stages = [
      (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
      (6, 320, 1, 1),
    ]
    for (expansion, outputs, blocks, stageStride) in stages {
      for block in 0..<blocks {
        let (hidden, stride) = (channels * expansion, block == 0 ? stageStride : 1)
        if expansion > 1 { cases += convolutions(channels, hidden, 1, size) }
        cases += convolutions(hidden, hidden, 3, size, stride: stride, groups: hidden)
        size /= stride
        cases += convolutions(hidden, outputs, 1, size)
        channels = outputs
      }
    }
    return cases + convolutions(320, 1280, 1, 7) + head(1280, 7)
  }

  private static var stem: [KernelCase] {
    convolutions(3, 64, 7, 224, stride: 2) + [
      KernelCase(name: "max_pool2d 3x3 64 112x112 s2", [64, 112, 112]) {
        $0.append(MaxPool2d(PoolWindow(kernel: 3, stride: 2, padding: 1)), [$1], module: ModuleCall(""))
      }
    ]
  }

  private static func head(_ channels: Int, _ size: Int) -> [KernelCase] {
    [
      KernelCase(name: "adaptive_avg_pool2d \(channels) \(size)x\(size)", [channels, size, size]) {
        $0.append(AdaptiveAvgPool2d(), [$1], module: ModuleCall(""))
      },
      KernelCase(name: "linear \(channels)->1000", [channels]) { graph, x in
        let weight = try graph.addRandom([1000, channels], "weight", fanIn: channels)
        let bias = try graph.addRandom([1000], "bias")
        return graph.append(Linear(), [x, weight, bias], module: ModuleCall(""))
      },
    ]
  }

  /// Operations that no convolution takes in.
  private static var elementwise: [KernelCase] {
    let shape = [256, 56, 56]
    func unary(_ name: String, _ function: Unary.Function) -> KernelCase {
      KernelCase(name: "\(name) 256 56x56", shape) {
        $0.append(Unary(function), [$1], module: ModuleCall(""))
      }
    }
    return [
      unary("relu", .relu), unary("relu6", .clamp(min: 0, max: 6)), unary("sigmoid", .sigmoid),
      unary("hardsigmoid", .hardsigmoid), unary("hardswish", .hardswish), unary("silu", .silu),
      unary("gelu", .gelu),
      KernelCase(name: "add 256 56x56", shape) {
        // Of a value and itself: one input is enough to measure.
        $0.append(Binary(.add), [$1, $1], module: ModuleCall(""))
      },
      KernelCase(name: "batch_norm 256 56x56", shape) { try $0.appendNorm(.batchNorm, $1, 256) },
      KernelCase(name: "representative_batch_norm 256 56x56", shape) {
        try $0.appendNorm(.representativeBatchNorm, $1, 256)
      },
      KernelCase(name: "softmax 1000", [1000]) {
        $0.append(Softmax(dim: 1), [$1], module: ModuleCall(""))
      },
    ]
  }
}

// MARK: - Graphs

extension KernelCase {
  /// A graph of an input of one instance and what `body` appends to it.
  private init(
    name: String, _ shape: [Int],
    _ body: @escaping @Sendable (inout Graph, Graph.ValueID) throws -> Graph.ValueID
  ) {
    self.name = name
    networks = []
    graph = {
      var graph = Graph()
      let shape = Shape([1] + shape)
      let x = graph.addInput("x", shape: shape.dimensions, exampleShape: shape)
      graph.outputs = [Graph.Output(name: "y", value: try body(&graph, x))]
      return graph
    }
  }

  /// A convolution with "same" padding, a norm and a ReLU, once with BatchNorm and once with RBN.
  private static func convolutions(
    _ inputs: Int, _ outputs: Int, _ kernel: Int, _ size: Int, stride: Int = 1, groups: Int = 1
  ) -> [KernelCase] {
    let grouping = groups == 1 ? "" : groups == inputs ? " depthwise" : " g\(groups)"
    let name = "conv2d \(kernel)x\(kernel) \(inputs)->\(outputs) \(size)x\(size) s\(stride)\(grouping)"
    return [(Norm.batchNorm, ""), (.representativeBatchNorm, " + rbn")].map { norm, suffix in
      KernelCase(name: name + suffix, [inputs, size, size]) { graph, x in
        let depth = inputs / groups
        let weight = try graph.addRandom(
          [outputs, depth, kernel, kernel], "weight", fanIn: depth * kernel * kernel)
        let conv = Conv2d(stride: stride, padding: kernel / 2, groups: groups)
        let y = graph.append(conv, [x, weight], module: ModuleCall("conv"))
        let z = try graph.appendNorm(norm, y, outputs)
        return graph.append(Unary(.relu), [z], module: ModuleCall("relu"))
      }
    }
  }
}

extension Graph {
  /// A parameter of random numbers around 0 whose sums over `fanIn` products stay near 1.
  fileprivate mutating func addRandom(
    _ shape: Shape, _ key: String, fanIn: Int = 1, around center: Float = 0
  ) throws -> ValueID {
    var generator = SeededGenerator(seed: UInt64(parameters.count))
    let bound = Float(3 / Double(fanIn)).squareRoot()
    let scalars = try (0..<shape.elementCount()).map { _ in
      center + .random(in: -bound...bound, using: &generator) * (center == 0 ? 1 : 0.25)
    }
    return addParameter(try Tensor(shape: shape, scalars: scalars), suggestedKey: key)
  }

  fileprivate mutating func appendNorm(_ norm: KernelCase.Norm, _ x: ValueID, _ channels: Int) throws
    -> ValueID
  {
    let shape: Shape = [channels]
    let weight = try addRandom(shape, "norm.weight", around: 1)
    let bias = try addRandom(shape, "norm.bias")
    let mean = try addRandom(shape, "norm.running_mean")
    let variance = try addRandom(shape, "norm.running_var", around: 1)
    switch norm {
    case .batchNorm:
      return append(BatchNorm(), [x, weight, bias, mean, variance], module: ModuleCall("norm"))
    case .representativeBatchNorm:
      let center = try addRandom(shape, "norm.center_weight")
      let scale = try addRandom(shape, "norm.scale_weight")
      let offset = try addRandom(shape, "norm.scale_bias")
      return append(
        RepresentativeBatchNorm(), [x, weight, bias, center, scale, offset, mean, variance],
        module: ModuleCall("norm"))
    }
  }
}
