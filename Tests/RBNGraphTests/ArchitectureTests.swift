import RBNTensor
import Testing

@testable import RBNGraph

@Suite struct ArchitectureTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var name: String
    var expansion: Int
    var depths: [Int]
    var groups = 1
    var width = 64
    /// As torchvision's documentation states it.
    var parameterCount: Int
    var testDescription: String { name }

    func stateDict(classes: Int = 1000, norm: StateDict.Norm = .batchNorm) -> StateDict {
      .torchvision(
        expansion: expansion, depths: depths, groups: groups, width: width, classes: classes, norm: norm)
    }
  }

  static let cases = [
    Case(name: "resnet18", expansion: 1, depths: [2, 2, 2, 2], parameterCount: 11_689_512),
    Case(name: "resnet34", expansion: 1, depths: [3, 4, 6, 3], parameterCount: 21_797_672),
    Case(name: "resnet50", expansion: 4, depths: [3, 4, 6, 3], parameterCount: 25_557_032),
    Case(name: "resnet101", expansion: 4, depths: [3, 4, 23, 3], parameterCount: 44_549_160),
    Case(name: "resnet152", expansion: 4, depths: [3, 8, 36, 3], parameterCount: 60_192_808),
    Case(
      name: "resnext50_32x4d", expansion: 4, depths: [3, 4, 6, 3], groups: 32, width: 128,
      parameterCount: 25_028_904),
    Case(
      name: "resnext101_32x8d", expansion: 4, depths: [3, 4, 23, 3], groups: 32, width: 256,
      parameterCount: 88_791_336),
    Case(
      name: "wide_resnet50_2", expansion: 4, depths: [3, 4, 6, 3], width: 128, parameterCount: 68_883_240),
    Case(
      name: "wide_resnet101_2", expansion: 4, depths: [3, 4, 23, 3], width: 128, parameterCount: 126_886_696),
  ]

  @Test(arguments: cases) func recognisesAndBuilds(_ network: Case) throws {
    let dict = network.stateDict()
    #expect(
      try Architectures.recognise(dict.shapes.map { ($0.key, Shape($0.shape)) }) == network.name)
    let graph = try Architectures.build(architecture: nil, from: dict.tensors())
    let statistics = graph.parameters.filter { $0.key.contains("running_") }.values.reduce(0) {
      $0 + $1.count
    }
    #expect(graph.parameters.values.reduce(0) { $0 + $1.count } - statistics == network.parameterCount)
    #expect(try graph.outputShapes([2, 3, 224, 224]) == [[2, 1000]])
    #expect(graph.inputs[0].shape == [nil, 3, nil, nil])
    #expect(graph.outputs.map(\.name) == ["output"])
    #expect(Set(graph.nodes.map(\.name)).count == graph.nodes.count)
  }

  @Test(arguments: cases) func buildsWithRepresentativeNorms(_ network: Case) throws {
    let dict = network.stateDict(classes: 7, norm: .representative)
    let graph = try Architectures.build(architecture: nil, from: dict.tensors())
    #expect(graph.nodes.contains { $0.op is RepresentativeBatchNorm })
    #expect(!graph.nodes.contains { $0.op is BatchNorm })
    #expect(try graph.outputShapes([1, 3, 64, 96]) == [[1, 7]])
  }

  @Test(
    arguments: zip(
      [("resnet20", 3), ("resnet32", 5), ("resnet44", 7), ("resnet56", 9), ("resnet110", 18)],
      [269_722, 464_154, 658_586, 853_018, 1_727_962]))
  func buildsCIFARNetworks(_ network: (name: String, depth: Int), _ parameterCount: Int) throws {
    let graph = try Architectures.build(
      architecture: nil, from: StateDict.cifar(depth: network.depth).tensors())
    let learned = graph.parameters.filter { !$0.key.contains("running_") }
    #expect(learned.values.reduce(0) { $0 + $1.count } == parameterCount)
    #expect(try graph.outputShapes([5, 3, 32, 32]) == [[5, 10]])
    #expect(graph.inputs[0].exampleShape == [1, 3, 32, 32])
    // Option A: two shortcuts of two slices and a padding each.
    #expect(graph.nodes.filter { $0.op is Slice }.count == 4)
    let pads = graph.nodes.compactMap { $0.op as? Pad }
    #expect(pads.map(\.pad) == [[0, 0, 0, 0, 8, 8], [0, 0, 0, 0, 16, 16]])
  }

  @Test func buildsProjectionShortcuts() throws {
    let dict = StateDict.cifar(depth: 3, projections: true, channels: 1, norm: .representative)
    let graph = try Architectures.build(architecture: "resnet20", from: dict.tensors())
    #expect(!graph.nodes.contains { $0.op is Slice || $0.op is Pad })
    #expect(graph.inputs[0].shape == [nil, 1, nil, nil])
    #expect(graph.nodes.contains { $0.module == ModuleCall("layer3.0.shortcut.1") })
  }

  @Test func modulesAreNamedAsInPyTorch() throws {
    let graph = try Architectures.build(
      architecture: "resnet50", from: Self.cases[2].stateDict().tensors())
    let modules = graph.nodes.map(\.module.description)
    #expect(modules.prefix(4) == ["conv1", "bn1", "relu", "maxpool"])
    #expect(
      modules[4..<17] == [
        "layer1.0.conv1", "layer1.0.bn1", "layer1.0.relu", "layer1.0.conv2", "layer1.0.bn2",
        "layer1.0.relu#1", "layer1.0.conv3", "layer1.0.bn3", "layer1.0.downsample.0", "layer1.0.downsample.1",
        "layer1.0", "layer1.0.relu#2", "layer1.1.conv1",
      ])
    #expect(modules.suffix(3) == ["avgpool", "", "fc"])
  }

  @Test func weightsOfOtherPrecisionsBecomeFloat32() throws {
    let parameters = try StateDict.cifar(depth: 3).tensors().map { key, tensor in
      (key: key, tensor: tensor.dtype == .float32 ? try tensor.converted(to: .bfloat16) : tensor)
    }
    let graph = try Architectures.build(architecture: nil, from: parameters)
    #expect(graph.parameters.values.allSatisfy { $0.dtype == .float32 })
    #expect(graph.parameters["bn1.num_batches_tracked"] == nil)
  }
}

@Suite struct NormVariantTests {
  private func build(_ dict: StateDict) throws -> Graph {
    try Architectures.build(architecture: "resnet20", from: dict.tensors())
  }

  private func inputs(_ graph: Graph, of module: String) throws -> [Bool] {
    try #require(graph.nodes.first { $0.module.path == module }).inputs.map { $0 != nil }
  }

  @Test func aPlainBatchNormMayStandBesideRepresentativeOnes() throws {
    var dict = StateDict.cifar(depth: 3, norm: .representative)
    dict.remove { $0.hasPrefix("layer2.1.bn2.center") || $0.hasPrefix("layer2.1.bn2.scale") }
    let graph = try build(dict)
    let plain = graph.nodes.filter { $0.op is BatchNorm }
    #expect(plain.map(\.module.path) == ["layer2.1.bn2"])
    #expect(graph.nodes.filter { $0.op is RepresentativeBatchNorm }.count == 18)
  }

  @Test(arguments: [
    ("center_weight", [true, true, true, false, true, true, true, true]),
    ("scale_", [true, true, true, true, false, false, true, true]),
    ("running_", [true, true, true, true, true, true, false, false]),
  ])
  func ablationsAreBuilt(_ absent: String, _ present: [Bool]) throws {
    var dict = StateDict.cifar(depth: 3, norm: .representative)
    dict.remove { $0.contains(".\(absent)") || (absent == "running_" && $0.hasSuffix("tracked")) }
    #expect(try inputs(build(dict), of: "layer1.0.bn1") == present)
  }

  @Test func normsWithoutAffinePartAreBuilt() throws {
    for norm in [StateDict.Norm.batchNorm, .representative] {
      var dict = StateDict.cifar(depth: 3, norm: norm)
      dict.remove { $0.contains("bn") && ($0.hasSuffix(".weight") || $0.hasSuffix(".bias")) }
      #expect(try inputs(build(dict), of: "bn1").prefix(3) == [true, false, false])
    }
  }

  @Test func vectorsAndImagesOfParametersAreAccepted() throws {
    var dict = StateDict.cifar(depth: 3, norm: .representative)
    dict.set("bn1.center_weight", [16])
    dict.set("bn1.weight", [1, 16, 1, 1])
    #expect(try build(dict).outputShapes([1, 3, 32, 32]) == [[1, 10]])
  }

  @Test(arguments: ["layer1.0.bn1.center_weight", "layer1.0.bn1.running_var", "bn1.weight"])
  func aKeyThatOneLayerLacksIsMissing(_ key: String) throws {
    var dict = StateDict.cifar(depth: 3, norm: .representative)
    dict.remove { $0 == key }
    let error = try #require(throws: RBNError.self) { _ = try build(dict) }
    #expect(error.code == .architectureMismatch)
    #expect(error.message.contains("1 missing: \(key)"))
  }

  @Test func aLayerWithoutAnyKeyIsIncomplete() throws {
    var dict = StateDict.cifar(depth: 3)
    dict.remove { $0.contains("bn") }
    let error = try #require(throws: RBNError.self) { _ = try build(dict) }
    #expect(error.message.contains("76 missing: bn1.bias, bn1.running_mean"))
  }
}

@Suite struct ArchitectureErrorTests {
  @Test func oneErrorListsEveryDifference() throws {
    var dict = StateDict.cifar(depth: 3)
    dict.remove { $0 == "layer1.2.conv2.weight" || $0 == "linear.bias" }
    dict.set("layer3.1.conv1.weight", [64, 32, 3, 3])
    dict.set("extra.weight", [4])
    let error = try #require(throws: RBNError.self) {
      _ = try Architectures.build(architecture: nil, from: dict.tensors())
    }
    #expect(error.code == .architectureMismatch)
    #expect(error.subject == .model)
    #expect(
      error.message
        == "the state dict does not fit resnet20: 2 missing: layer1.2.conv2.weight, linear.bias; "
        + "1 unexpected: extra.weight; "
        + "1 of another shape: layer3.1.conv1.weight has shape (64, 32, 3, 3), expected (64, 64, 3, 3)")
    #expect(error.advice?.contains("--architecture") == true)
  }

  @Test func longListsAreCut() throws {
    let error = try #require(throws: RBNError.self) {
      _ = try Architectures.build(architecture: "resnet110", from: StateDict.cifar(depth: 3).tensors())
    }
    #expect(error.message.contains("450 missing: layer1.10.bn1.bias, "))
    #expect(error.message.contains(", and 420 more"))
  }

  @Test func aNetworkOutsideTheTableIsDescribed() throws {
    let dict = StateDict.torchvision(expansion: 4, depths: [2, 2, 2, 2])
    let error = try #require(throws: RBNError.self) {
      _ = try Architectures.build(architecture: nil, from: dict.tensors())
    }
    #expect(error.code == .unrecognisedArchitecture)
    #expect(
      error.message.contains(
        "a ResNet with bottleneck blocks, stages of 2, 2, 2, 2 blocks, 1 groups, width 64, which is not in the table"
      ))
    #expect(error.message.contains("nearest is resnet"))
    #expect(error.advice?.contains("torch.export") == true)
  }

  @Test(arguments: [["a.weight", "b.bias"], [], ["layer1.0.conv1.weight"]])
  func foreignKeysAreNotRecognised(_ keys: [String]) throws {
    let error = try #require(throws: RBNError.self) {
      _ = try Architectures.recognise(keys.map { ($0, [4]) })
    }
    #expect(error.code == .unrecognisedArchitecture)
    #expect(error.message.contains("they are no ResNet's; nearest is "))
  }

  @Test func unknownNamesAreErrorsOfTheCall() throws {
    let error = try #require(throws: RBNError.self) {
      _ = try Architectures.build(architecture: "resnet19", from: [])
    }
    #expect(error.code == .unknownArchitecture)
    #expect(error.subject == .usage)
    #expect(error.advice?.contains("resnet18, resnet34") == true)
  }

  @Test func duplicateKeysAreRefused() throws {
    let tensors = try StateDict.cifar(depth: 3).tensors()
    let error = try #require(throws: RBNError.self) {
      _ = try Architectures.build(architecture: nil, from: tensors + [tensors[3]])
    }
    #expect(error.code == .duplicateKey)
    #expect(error.location == tensors[3].key)
  }

  @Test func integerWeightsAreRefused() throws {
    let tensors = try StateDict.cifar(depth: 3).tensors().map { key, tensor in
      (key: key, tensor: key == "conv1.weight" ? try Tensor.zeros(tensor.shape, dtype: .int8) : tensor)
    }
    let error = try #require(throws: RBNError.self) {
      _ = try Architectures.build(architecture: nil, from: tensors)
    }
    #expect(error.code == .architectureDType)
    #expect(error.location == "conv1.weight")
  }

  @Test func prefixesOfDataParallelAreExplained() throws {
    let tensors = try StateDict.cifar(depth: 3).tensors().map { (key: "module.\($0.key)", tensor: $0.tensor) }
    let error = try #require(throws: RBNError.self) {
      _ = try Architectures.build(architecture: "resnet20", from: tensors)
    }
    #expect(error.advice?.contains("DataParallel") == true)
  }
}
