import RBNTensor

/// The shape of a residual network (He et al., CVPR 2016; ResNeXt, CVPR 2017; Wide ResNet, BMVC 2016), as
/// torchvision builds it for photographs and as pytorch_resnet_cifar10 does for 32×32 images.
struct ResNetArchitecture: Hashable, Sendable {
  enum Family: Hashable, Sendable {
    /// A 7×7 stem with max pooling, four stages, `fc`.
    case imageNet
    /// A 3×3 stem, three stages of 16, 32 and 64 channels, `linear`.
    case cifar
  }

  enum Block: String, Hashable, Sendable {
    case basic, bottleneck
  }

  var family: Family
  var block: Block
  /// The number of blocks of each stage.
  var depths: [Int]
  var groups = 1
  /// Channels of a bottleneck's 3×3 convolution in the first stage.
  var width = 64

  /// How many times wider a block's output is than its `planes`.
  var expansion: Int { block == .bottleneck ? 4 : 1 }

  /// `basic blocks, stages of 2, 2, 2, 2 blocks`, as messages describe it.
  var description: String {
    let stages = depths.map(String.init).joined(separator: ", ")
    let kind = family == .cifar ? "CIFAR ResNet" : "ResNet"
    let widths = block == .bottleneck ? ", \(groups) groups, width \(width)" : ""
    return "a \(kind) with \(block.rawValue) blocks, stages of \(stages) blocks\(widths)"
  }
}

/// Walks a ``ResNetArchitecture``: declares its keys in a ledger and appends its nodes to a graph.
struct ResNetBuilder {
  let architecture: ResNetArchitecture
  var ledger: ParameterLedger
  var graph = Graph()
  private let norms: NormVariants

  init(_ architecture: ResNetArchitecture, ledger: ParameterLedger) {
    self.architecture = architecture
    self.ledger = ledger
    norms = NormVariants(ledger)
  }

  /// Builds the whole network.
  mutating func build() {
    let isCIFAR = architecture.family == .cifar
    let channels = inputChannels
    let side = isCIFAR ? 32 : 224
    var x = graph.addInput(
      "x", shape: [nil, channels, nil, nil], exampleShape: [1, channels, side, side])
    let stem = isCIFAR ? 16 : 64
    x = convolution(
      "conv1", x, from: nil, to: stem, kernel: isCIFAR ? 3 : 7,
      Conv2d(stride: isCIFAR ? 1 : 2, padding: isCIFAR ? 1 : 3))
    x = norm("bn1", x, channels: stem)
    x = relu(x, in: "", call: 0)
    if !isCIFAR {
      x = add(MaxPool2d(PoolWindow(kernel: 3, stride: 2, padding: 1)), [x], ModuleCall("maxpool"))
    }
    var width = stem
    for (stage, depth) in architecture.depths.enumerated() {
      let planes = stem << stage
      for index in 0..<depth {
        let path = "layer\(stage + 1).\(index)"
        let stride = stage > 0 && index == 0 ? 2 : 1
        x =
          architecture.block == .basic
          ? basicBlock(path, x, from: width, planes: planes, stride: stride)
          : bottleneck(path, x, from: width, planes: planes, stage: stage, stride: stride)
        width = planes * architecture.expansion
      }
    }
    head(x, channels: width)
  }

  /// The channels of the images, as the first convolution's weight has them; 3 when it is no such weight.
  private var inputChannels: Int {
    guard let shape = ledger.shape(of: "conv1.weight"), shape.rank == 4, shape[1] > 0 else { return 3 }
    return shape[1]
  }

  private mutating func head(_ x: Graph.ValueID, channels: Int) {
    let isCIFAR = architecture.family == .cifar
    let pooled = add(AdaptiveAvgPool2d(), [x], ModuleCall(isCIFAR ? "" : "avgpool"), name: "avgpool")
    let features = add(Flatten(startDim: 1), [pooled], ModuleCall(""), name: "flatten")
    let name = isCIFAR ? "linear" : "fc"
    ledger.require("\(name).weight", [.any("classes"), .init(channels)])
    let classes = ledger.shape(of: "\(name).weight").flatMap { $0.rank == 2 ? $0[0] : nil }
    ledger.require("\(name).bias", [classes.map { .init($0) } ?? .any("classes")])
    let logits = add(
      Linear(), [features, graph.parameter("\(name).weight"), graph.parameter("\(name).bias")],
      ModuleCall(name))
    graph.outputs.append(Graph.Output(name: "output", value: logits))
  }
}

// MARK: - Blocks

extension ResNetBuilder {
  private mutating func basicBlock(
    _ path: String, _ x: Graph.ValueID, from input: Int, planes: Int, stride: Int
  ) -> Graph.ValueID {
    var y = convolution(
      "\(path).conv1", x, from: input, to: planes, kernel: 3, Conv2d(stride: stride, padding: 1))
    y = norm("\(path).bn1", y, channels: planes)
    y = relu(y, in: path, call: 0)
    y = convolution("\(path).conv2", y, from: planes, to: planes, kernel: 3, Conv2d(padding: 1))
    y = norm("\(path).bn2", y, channels: planes)
    let shortcut = shortcut(path, x, from: input, to: planes, stride: stride)
    return relu(add(Binary(.add), [y, shortcut], ModuleCall(path), name: "\(path).add"), in: path, call: 1)
  }

  private mutating func bottleneck(
    _ path: String, _ x: Graph.ValueID, from input: Int, planes: Int, stage: Int, stride: Int
  ) -> Graph.ValueID {
    let (width, output) = (architecture.width << stage, planes * architecture.expansion)
    var y = convolution("\(path).conv1", x, from: input, to: width, kernel: 1, Conv2d())
    y = norm("\(path).bn1", y, channels: width)
    y = relu(y, in: path, call: 0)
    y = convolution(
      "\(path).conv2", y, from: width, to: width, kernel: 3,
      Conv2d(stride: stride, padding: 1, groups: architecture.groups))
    y = norm("\(path).bn2", y, channels: width)
    y = relu(y, in: path, call: 1)
    y = convolution("\(path).conv3", y, from: width, to: output, kernel: 1, Conv2d())
    y = norm("\(path).bn3", y, channels: output)
    let shortcut = shortcut(path, x, from: input, to: output, stride: stride)
    return relu(add(Binary(.add), [y, shortcut], ModuleCall(path), name: "\(path).add"), in: path, call: 2)
  }

  /// The identity, a projection, or (CIFAR networks without `shortcut` keys: option A of He et al.) every second row
  /// and column with zeros for the new channels.
  private mutating func shortcut(
    _ path: String, _ x: Graph.ValueID, from input: Int, to output: Int, stride: Int
  ) -> Graph.ValueID {
    guard stride != 1 || input != output else { return x }
    let isCIFAR = architecture.family == .cifar
    let prefix = isCIFAR ? "\(path).shortcut" : "\(path).downsample"
    if isCIFAR && !hasProjections {
      let module = ModuleCall(prefix)
      let rows = add(Slice(dim: 2, start: 0, end: Int.max, step: 2), [x], module, name: "\(prefix).rows")
      let halved = add(
        Slice(dim: 3, start: 0, end: Int.max, step: 2), [rows], module, name: "\(prefix).columns")
      return add(Pad(pad: [0, 0, 0, 0, output / 4, output / 4]), [halved], module, name: "\(prefix).pad")
    }
    let y = convolution("\(prefix).0", x, from: input, to: output, kernel: 1, Conv2d(stride: stride))
    return norm("\(prefix).1", y, channels: output)
  }

  private var hasProjections: Bool { ledger.keys.contains { $0.contains(".shortcut.") } }
}

// MARK: - Layers

extension ResNetBuilder {
  private mutating func add(
    _ op: any Operator, _ inputs: [Graph.ValueID?], _ module: ModuleCall, name: String? = nil
  ) -> Graph.ValueID {
    graph.append(op, inputs, module: module, name: name ?? module.description)
  }

  /// torchvision's blocks call one `relu` module several times; the CIFAR networks call a function.
  private mutating func relu(_ x: Graph.ValueID, in path: String, call: Int) -> Graph.ValueID {
    let relu = ModuleCall(path.isEmpty ? "relu" : "\(path).relu", call: call)
    return add(
      Unary(.relu), [x], architecture.family == .cifar ? ModuleCall(path) : relu, name: relu.description)
  }

  private mutating func convolution(
    _ path: String, _ x: Graph.ValueID, from input: Int?, to output: Int, kernel: Int, _ op: Conv2d
  ) -> Graph.ValueID {
    let perGroup: ParameterLedger.Dimension = input.map { .init($0 / op.groups) } ?? .any("channels")
    ledger.require("\(path).weight", [.init(output), perGroup, .init(kernel), .init(kernel)])
    return add(op, [x, graph.parameter("\(path).weight"), nil], ModuleCall(path))
  }

  private mutating func norm(_ path: String, _ x: Graph.ValueID, channels: Int) -> Graph.ValueID {
    let kind = norms.kind(of: path, ledger)
    var inputs: [Graph.ValueID?] = [x]
    let names = kind == .representative ? RepresentativeBatchNorm.parameterNames : NormVariants.plainNames
    for name in names {
      if norms.has(name, kind, path, ledger) {
        ledger.require("\(path).\(name)", [.init(channels)], [1, .init(channels), 1, 1])
        inputs.append(graph.parameter("\(path).\(name)"))
      } else {
        inputs.append(nil)
      }
    }
    return add(
      kind == .representative ? RepresentativeBatchNorm() : BatchNorm(), inputs, ModuleCall(path))
  }
}
