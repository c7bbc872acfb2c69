import RBNTensor
import Testing

@testable import RBNFormats
@testable import RBNGraph

/// One call of an ATen operator, from `fixtures/ops`, as a program of `torch.export` with this one node.
struct OperatorCase: CustomTestStringConvertible {
  var name: String
  /// The overload: `aten.conv2d.default`.
  var target: String
  var program: ExportedProgram
  var inputs: [Tensor] = []
  /// PyTorch's results in float32.
  var outputs: [Tensor]
  /// The results in float64; empty for operators that only move or compare.
  var truths: [Tensor]

  var testDescription: String { name }

  /// Arguments that are parameters of layers; everything else comes in at run time.
  private static let parameterNames: Set<String> = ["weight", "bias", "running_mean", "running_var"]

  private static func isParameter(_ argument: String, of target: String) -> Bool {
    parameterNames.contains(argument)
      || target == "aten.addmm.default" && ["self", "mat2"].contains(argument)
  }

  /// Every case of a file, those whose operator has no lowering apart.
  static func all(_ file: String) throws -> (known: [OperatorCase], unknownTargets: Set<String>) {
    let tensors = try GoldenFixtures.tensors("ops/\(file).npz")
    var cases: [OperatorCase] = []
    var unknown: Set<String> = []
    for node in try GoldenFixtures.json("ops/\(file).json").member("cases").elements() {
      let target = try node.member("target").string()
      if let signature = Lowerings.find("torch.ops.\(target)")?.signature {
        cases.append(try OperatorCase(node, target, signature, tensors))
      } else {
        unknown.insert(target)
      }
    }
    return (cases, unknown)
  }

  private init(
    _ node: JSONNode, _ target: String, _ signature: ATenSignature, _ tensors: [String: Tensor]
  ) throws {
    let name = try node.member("case").string()
    self.name = name
    self.target = target
    outputs = try node.member("outputs").elements().map { try #require(tensors[try $0.string()]) }
    truths = outputs.indices.compactMap { tensors["\(name)/truth/\($0)"] }
    if let hasTruth = try node.optionalMember("truth64")?.bool() {
      try #require(truths.isEmpty != hasTruth)
    }
    program = ExportedProgram(
      nodes: [], inputs: [], outputs: [], tensorValues: [:], symIntValues: [:], inputSpecs: [],
      outputSpecs: [], rangeConstraints: [:], schemaVersion: (8, 20), opsetVersion: ["aten": 10],
      torchVersion: "2.13.0")
    let given = try node.member("inputs").elements().map { try $0.isNull ? nil : tensors[$0.string()] }
    let arguments = try arguments(signature, try node.member("arguments"), given)
    let results = outputs.indices.map { "r\($0)" }
    program.nodes = [
      .init(
        target: "torch.ops.\(target)", inputs: arguments, outputs: results.map { .tensor($0) },
        modulePath: "op",
        name: "r0")
    ]
    program.outputSpecs = results.map { .userOutput(.tensor($0)) }
  }

  private mutating func arguments(
    _ signature: ATenSignature, _ values: JSONNode, _ tensors: [Tensor?]
  ) throws -> [(name: String, argument: ExportedProgram.Argument)] {
    var rest = tensors[...]
    var arguments: [(name: String, argument: ExportedProgram.Argument)] = []
    let given = Set(try values.members().map(\.key))
    for parameter in signature.parameters {
      if given.contains(parameter.name) {
        let value = try values.optionalMember(parameter.name)
        arguments.append((parameter.name, try value.map { try Self.argument($0, parameter) } ?? .none))
      } else if parameter.kind == .tensor, parameter.isList {
        let names = rest.map { tensor in tensor.map { add($0, isParameter: false) } }
        rest = []
        let isWhole = !names.contains(nil)
        arguments.append(
          (parameter.name, isWhole ? .tensors(names.compactMap { $0 }) : .optionalTensors(names)))
      } else if parameter.kind == .tensor, let next = rest.popFirst() {
        let isParameter = Self.isParameter(parameter.name, of: target)
        arguments.append((parameter.name, next.map { .tensor(add($0, isParameter: isParameter)) } ?? .none))
      }
    }
    #expect(rest.isEmpty, "\(name): tensors are left over")
    return arguments
  }

  private mutating func add(_ tensor: Tensor, isParameter: Bool) -> String {
    let argument = "t\(program.inputSpecs.count)"
    if isParameter {
      program.inputSpecs.append(.parameter(argument: argument, key: argument))
      program.weights.append((argument, tensor))
    } else {
      program.inputSpecs.append(.userInput(.tensor(argument)))
      program.tensorValues[argument] = .init(
        scalarType: .init(code: tensor.dtype == .int64 ? 5 : tensor.dtype == .bool ? 12 : 7),
        sizes: tensor.shape.map { .int($0) }, strides: tensor.shape.contiguousStrides.map { .int($0) },
        storageOffset: .int(0), layout: .strided)
      inputs.append(tensor)
    }
    return argument
  }

  /// An argument as a program spells it.
  private static func argument(
    _ node: JSONNode, _ parameter: ATenSignature.Parameter
  ) throws -> ExportedProgram.Argument {
    switch (node.value, parameter.kind) {
    case (.bool(let flag), _): .bool(flag)
    // The schema's default of a memory format is a number: 0, contiguous.
    case (.int(0), .memoryFormat): .memoryFormat(.contiguous)
    case (.int, .memoryFormat): .memoryFormat(.preserve)
    case (.string(let text), .memoryFormat):
      .memoryFormat(
        text == "channels_last" ? .channelsLast : text == "contiguous_format" ? .contiguous : .preserve)
    case (.int(let number), _): .int(Int(number))
    case (.array, .float): .floats(try node.list { try $0.double() })
    case (.array, _): .ints(try node.list { try $0.int() })
    case (.string(let text), .dtype):
      .scalarType(.init(code: ["float32": 7, "int64": 5, "bool": 12][text] ?? 8))
    case (.string(let text), .device): .device(text)
    case (.string, .layout): .layout(.strided)
    case (.string(let text), .str): .string(text)
    default: .float(try node.double())
    }
  }
}
