import Foundation
import RBNTensor
import Testing

@testable import RBNFormats

@Suite struct ExportedProgramTests {
  private static func sample() throws -> ExportedProgram {
    try ExportedProgram(contentsOf: TestData.fixture("network.pt2"))
  }

  @Test func versions() throws {
    let program = try Self.sample()
    #expect(program.schemaVersion.major == 8 && program.opsetVersion["aten"] != nil)
    #expect(!program.torchVersion.isEmpty)
    #expect(Array(program.rangeConstraints.values) == [.init(minimum: 1, maximum: 64)])
  }

  @Test func nodesAndArguments() throws {
    let program = try Self.sample()
    func node(_ target: String) throws -> ExportedProgram.Node {
      try #require(program.nodes.first { $0.target == "torch.ops.aten.\(target)" }, "\(target)")
    }
    let convolution = try node("conv2d.default")
    #expect(convolution.inputs.map(\.name) == ["input", "weight", "bias", "stride", "padding"])
    #expect(
      convolution.inputs.map(\.argument) == [
        .tensor("x"), .tensor("p_layer1_0_weight"), .tensor("p_layer1_0_bias"), .ints([1, 1]), .ints([1, 1]),
      ])
    #expect(convolution.outputs == [.tensor("conv2d")] && convolution.modulePath == "layer1.0")
    #expect(try node("add_.Tensor").modulePath == "layer1.1")
    let norm = try node("batch_norm.default")
    #expect(norm.modulePath == "layer1.1.bn")
    #expect(norm.inputs[1].argument == .none && norm.inputs[5].argument == .bool(false))
    #expect(norm.inputs.last { $0.name == "eps" }?.argument == .float(1e-5))
    #expect(try node("relu.default").modulePath == "")
    #expect(try node("split_with_sizes.default").outputs == [.tensors(["getitem", "getitem_1"])])
    #expect(try node("cat.default").inputs[0].argument == .tensors(["getitem", "getitem_1"]))
    #expect(try node("to.dtype").inputs[1].argument == .scalarType(.init(code: 7)))
    #expect(
      try node("reshape.default").inputs[1].argument == .symInts([.name("sym_size_int_1"), .literal(-1)]))
    #expect(try node("sym_size.int").outputs == [.symInt(.name("sym_size_int_1"))])
    #expect(try node("clamp.default").inputs[2].argument == .float(.infinity))
    #expect(try node("full_like.default").inputs[1].argument == .float(-.infinity))
    let check = try node("_assert_tensor_metadata.default").inputs
    #expect(
      check.contains { $0.argument == .device("cpu") } && check.contains { $0.argument == .layout(.strided) })
    let meta = try #require(program.tensorValues["linear"])
    #expect(meta.scalarType.dtype == .float32 && meta.sizes[1] == .int(2) && meta.layout == .strided)
    guard case .expression(_, hint: 2) = meta.sizes[0] else {
      Issue.record("the batch is \(meta.sizes[0])")
      return
    }
  }

  @Test func signature() throws {
    let program = try Self.sample()
    #expect(program.inputSpecs.contains(.parameter(argument: "p_fc_weight", key: "fc.weight")))
    #expect(program.inputSpecs.contains(.buffer(argument: "b_scale", key: "scale", isPersistent: false)))
    #expect(
      program.inputSpecs.contains(
        .buffer(argument: "b_layer1_1_bn_running_var", key: "layer1.1.bn.running_var", isPersistent: true)))
    #expect(
      program.inputSpecs.contains(.tensorConstant(argument: "c_lifted_tensor_0", key: "lifted_tensor_0")))
    #expect(program.inputSpecs.last == .userInput(.tensor("x")))
    #expect(program.inputs.count == program.inputSpecs.count)
    #expect(program.outputSpecs.count == 3 && program.outputs.count == 3)
    #expect(program.outputSpecs.first == .userOutput(.tensor("linear")))
  }

  @Test func weights() throws {
    let program = try Self.sample()
    let tensors = Dictionary((program.weights + program.constants).map { ($0.key, $0.tensor) }) { first, _ in
      first
    }
    func tensor(_ key: String) throws -> Tensor { try #require(tensors[key], "\(key)") }
    #expect(try tensor("layer1.0.weight").floats == (0..<108).map(Float.init))
    #expect(try tensor("layer1.0.weight").shape == [4, 3, 3, 3])
    // arange(24).reshape(4, 6)[:, ::2].t()
    #expect(try tensor("sliced").shape == [3, 4])
    let sliced: [Float] = [0, 6, 12, 18, 2, 8, 14, 20, 4, 10, 16, 22]
    #expect(try tensor("sliced").floats == sliced)
    #expect(try tensor("channels_last").floats == (0..<96).map(Float.init))
    #expect(try tensor("narrow").dtype == .float16 && tensor("narrow").floats == [0, 1, 2, 3, 4])
    #expect(try tensor("index").dtype == .int64 && tensor("index").doubles == [0, 1, 2])
    #expect(try tensor("scale").floats == [2] && tensor("lifted_tensor_0").floats == [3])
    #expect(try tensor("layer1.1.bn.num_batches_tracked").shape == [])
    #expect(try tensor("fc.weight").storage === tensor("tied.weight").storage)
    #expect(program.constants.map(\.key).sorted() == ["lifted_tensor_0", "scale"])
  }

  /// The layouts of earlier versions of PyTorch hold the same program.
  @Test(arguments: ["torch-2.5", "torch-2.7", "torch-2.8"]) func earlierLayouts(layout: String) throws {
    let program = try ExportedProgram(contentsOf: TestData.fixture("network-\(layout).pt2"))
    let sample = try Self.sample()
    #expect(program.schemaVersion.major == (layout == "torch-2.5" ? 7 : 8))
    #expect(program.nodes.map(\.target) == sample.nodes.map(\.target))
    #expect(program.nodes.map { $0.inputs.map(\.argument) } == sample.nodes.map { $0.inputs.map(\.argument) })
    #expect(program.nodes.map(\.modulePath) == sample.nodes.map(\.modulePath))
    #expect(program.inputSpecs == sample.inputSpecs && program.outputSpecs == sample.outputSpecs)
    #expect(program.tensorValues == sample.tensorValues)
    for (ours, theirs) in [(program.weights, sample.weights), (program.constants, sample.constants)] {
      #expect(ours.map(\.key).sorted() == theirs.map(\.key).sorted())
      let expected = Dictionary(theirs.map { ($0.key, $0.tensor) }) { first, _ in first }
      for (key, tensor) in ours {
        #expect(tensor.shape == expected[key]?.shape && tensor.dtype == expected[key]?.dtype, "\(key)")
        #expect(tensor.doubles == expected[key]?.doubles, "\(key)")
      }
    }
    let tensors = Dictionary(program.weights.map { ($0.key, $0.tensor) }) { first, _ in first }
    #expect(try #require(tensors["fc.weight"]).storage === #require(tensors["tied.weight"]).storage)
  }

  /// A size without a bound had Python's infinity as its bound, which `json.dumps` writes as no JSON.
  @Test func unboundedSizesOfTheEarlierSchema() throws {
    let path = TestData.root.appendingPathComponent("fixtures/blocks/basic-dynamic-torch-2.5.pt2").path
    let program = try ExportedProgram(contentsOf: path)
    #expect(program.rangeConstraints.count == 3)
    #expect(program.rangeConstraints.values.allSatisfy { $0.maximum == nil && $0.minimum != nil })
  }

  static let stacks: [(String, String)] = [
    ("L__self__,,m.Net;L__self__layer1,layer1,m.Seq;L__self__layer1.0,layer1.0,torch.nn.Conv2d", "layer1.0"),
    ("L__self__,L['self'],m.Net;L__self___layer1_0,L['self'].layer1[0],m.Block", "layer1.0"),
    ("k,L['self']._modules['layer1']._modules['0'].conv1,m.Conv", "layer1.0.conv1"),
    ("k,layer1.relu@1,torch.nn.ReLU", "layer1.relu"), ("k,,m.Net", ""), ("", ""), ("hook", ""),
    ("a,b", ""), (";;", ""),
  ]

  @Test(arguments: stacks) func modulePath(stack: String, path: String) {
    #expect(ExportedProgram.Node.innermostModule(stack) == path)
  }

  // MARK: Refusals

  private func spoiled(_ change: (inout [(name: String, bytes: [UInt8])]) -> Void) throws -> RBNError.Code? {
    let archive = try ZipArchive(contentsOf: TestData.fixture("network.pt2"))
    var entries = try archive.entries.map { (name: $0.name, bytes: try archive.read($0).array) }
    change(&entries)
    var writer = ZipArchiveWriter()
    for (name, bytes) in entries { try writer.add(name, bytes) }
    let rewritten = try ZipArchive(bytes: TensorStorage(copying: try writer.close()))
    return code { _ = try ExportedProgram(rewritten) }
  }

  private func replacing(_ file: String, _ old: String, _ new: String) throws -> RBNError.Code? {
    try spoiled { entries in
      for index in entries.indices where entries[index].name.hasSuffix(file) {
        let text = String(decoding: entries[index].bytes, as: UTF8.self)
        #expect(text.contains(old))
        entries[index].bytes = Array(text.replacingOccurrences(of: old, with: new).utf8)
      }
    }
  }

  @Test func archiveRules() throws {
    #expect(try spoiled { _ in } == nil)
    #expect(try replacing("archive_format", "pt2", "pt3") == .exportedProgramVersion)
    #expect(try replacing("archive_version", "0", "1") == .exportedProgramVersion)
    #expect(try replacing("byteorder", "little", "middle") == .exportedProgramVersion)
    #expect(try spoiled { $0.removeAll { $0.name.hasSuffix("archive_format") } } == .missingEntry)
    #expect(
      try spoiled { $0.removeAll { $0.name.hasSuffix("models/model.json") } } == .ambiguousExportedModel)
    #expect(try spoiled { $0.removeAll { $0.name.hasSuffix("weight_0") } } == .missingEntry)
    #expect(
      try spoiled { $0.removeAll { $0.name.hasSuffix("weights_config.json") } } == .outdatedExportedProgram)
    #expect(try spoiled { $0.removeAll { $0.name.contains("/constants/") } } == .missingWeight)
    #expect(try spoiled { $0.append(("other/x", [1])) } == .notAnExportedProgram)
    #expect(
      try spoiled { $0 = [("version", [0x38]), ("serialized_exported_program.json", [])] }
        == .malformedJSON)
    #expect(
      code { _ = try ExportedProgram(contentsOf: TestData.fixture("state.pth")) } == .notAnExportedProgram)
  }

  @Test func documentRules() throws {
    #expect(try replacing("model.json", "\"major\": 8", "\"major\": 9") == .exportedProgramVersion)
    #expect(try replacing("model.json", "\"major\": 8", "\"major\": 6") == .exportedProgramVersion)
    #expect(try replacing("model.json", "\"minor\": ", "\"minor\": 9") == nil)
    #expect(try replacing("model.json", "\"opset_version\"", "\"unknown_key\": {}, \"opset_version\"") == nil)
    #expect(try replacing("model.json", "\"nodes\"", "\"knots\"") == .unexpectedJSON)
    #expect(try replacing("model.json", "\"as_ints\": [1, 1]", "\"as_riddle\": [1, 1]") == nil)
    #expect(
      try replacing("model.json", "\"parameter_name\": \"fc.weight\"", "\"parameter_name\": \"x\"")
        == .missingWeight)
    let config = "model_weights_config.json"
    #expect(try replacing(config, "\"use_pickle\": false", "\"use_pickle\": true") == .pickledWeight)
    #expect(try replacing(config, "\"weight_0\"", "\"custom_obj_0\"") == .pickledWeight)
    #expect(try replacing(config, "\"weight_0\"", "\"opaque_obj_0\"") == .pickledWeight)
    #expect(try replacing(config, "\"tensor_meta\"", "\"tensor_mate\"") == .malformedWeight)
    #expect(try replacing(config, "\"dtype\": 6", "\"dtype\": 10") == .malformedWeight)
    #expect(try replacing(config, "\"layout\": 7", "\"layout\": 2") == .malformedWeight)
    #expect(
      try replacing(config, "\"storage_offset\": {\"as_int\": 0}", "\"storage_offset\": {\"as_int\": 1}")
        == .invalidView)
    #expect(
      try replacing(
        config, "\"storage_offset\": {\"as_int\": 0}",
        "\"storage_offset\": {\"as_expr\": {\"expr_str\": \"s\"}}")
        == .malformedWeight)
  }

  @Test func bigEndianWeightsAreSwapped() throws {
    let archive = try ZipArchive(contentsOf: TestData.fixture("network.pt2"))
    var writer = ZipArchiveWriter()
    for entry in archive.entries {
      var bytes = try archive.read(entry).array
      if entry.name.hasSuffix("/byteorder") { bytes = Array("big".utf8) }
      if entry.name.hasSuffix("/weight_3") {
        bytes = stride(from: 0, to: bytes.count, by: 4).flatMap { bytes[$0..<($0 + 4)].reversed() }
      }
      try writer.add(entry.name, bytes)
    }
    let program = try ExportedProgram(ZipArchive(bytes: TensorStorage(copying: try writer.close())))
    let kernel = try #require(program.weights.first { $0.key == "layer1.0.weight" })
    #expect(kernel.tensor.floats == (0..<108).map(Float.init))
  }

  @Test(arguments: ["models/model.json", "data/weights/model_weights_config.json"])
  func hostileDocumentsNeverCrash(name: String) throws {
    var generator = SeededGenerator(seed: 6)
    var refused = 0
    for _ in 0..<200 {
      let failure = try spoiled { entries in
        for index in entries.indices where entries[index].name.hasSuffix(name) {
          guard let root = try? JSONValue.parse(entries[index].bytes, document: name) else { continue }
          entries[index].bytes = Array(root.mutated(using: &generator).text().utf8)
        }
      }
      #expect(failure != RBNError.Code("test.foreign-error"))
      if failure != nil { refused += 1 }
    }
    #expect(refused > 50)
  }

  @Test func truncatedAndDamagedFilesNeverCrash() throws {
    let bytes = try ByteSource(path: TestData.fixture("network.pt2"), subject: .model)
    let sound = try bytes.bytes(at: 0, count: bytes.byteCount)
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<150 {
      let cut = Int.random(in: 0..<sound.count, using: &generator)
      #expect(throws: RBNError.self) { try ZipArchive(bytes: TensorStorage(copying: Array(sound[..<cut]))) }
      var spoiled = sound
      spoiled[Int.random(in: 0..<sound.count, using: &generator)] ^= UInt8.random(
        in: 1...255, using: &generator)
      let failure = code { _ = try ExportedProgram(ZipArchive(bytes: TensorStorage(copying: spoiled))) }
      #expect(failure != RBNError.Code("test.foreign-error"))
    }
  }

  @Test(arguments: ["state.pth", "state-without-crc.pth"]) func archivesOfTorchSave(name: String) throws {
    let archive = try ZipArchive(contentsOf: TestData.fixture(name))
    let entry = try #require(archive.entries.first { $0.name.hasSuffix("/data/0") })
    #expect((entry.crc32 == 0) == name.contains("without"))
    let tensor = try Tensor(shape: [100], dtype: .float32, storage: archive.read(entry))
    #expect(tensor.floats == (0..<100).map(Float.init))
    #expect(entry.dataOffset % 64 == 0)
  }
}
