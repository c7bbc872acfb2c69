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
  var inputs: [Tensor]
  /// PyTorch's result in float32.
  var output: Tensor
  /// The result in float64; nil for operators that only move data.
  var truth: Tensor?

  var testDescription: String { name }

  /// Parameters of layers; everything else comes in at run time.
  private static let parameterNames: [String: Set<String>] = [
    "conv2d": ["weight", "bias"], "convolution": ["weight", "bias"], "linear": ["weight", "bias"],
    "batch_norm": ["weight", "bias", "running_mean", "running_var"],
    "_native_batch_norm_legit_no_training": ["weight", "bias", "running_mean", "running_var"],
    "addmm": ["self", "mat2"], "conv1d": ["weight", "bias"], "layer_norm": ["weight", "bias"],
    "native_layer_norm": ["weight", "bias"], "prelu": ["weight"], "conv_transpose2d": ["weight", "bias"],
    "group_norm": ["weight", "bias"], "native_group_norm": ["weight", "bias"],
    "instance_norm": ["weight", "bias", "running_mean", "running_var"],
  ]

  /// Every case, those whose operator has no lowering apart.
  static func all() throws -> (known: [OperatorCase], unknownTargets: Set<String>) {
    let tensors = try GoldenFixtures.tensors("ops/ops.npz")
    var cases: [OperatorCase] = []
    var unknown: Set<String> = []
    for node in try GoldenFixtures.json("ops/ops.json").member("cases").elements() {
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
    name = try node.member("case").string()
    self.target = target
    func tensor(_ node: JSONNode) throws -> Tensor { try #require(tensors[node.string()]) }
    let outputName = try #require(node.member("outputs").elements().first)
    output = try tensor(outputName)
    truth = tensors["\(name)/truth/0"]
    let hasTruth = try node.member("truth64").bool()
    try #require((truth != nil) == hasTruth)
    inputs = []
    program = ExportedProgram(
      nodes: [], inputs: [], outputs: [], tensorValues: [:], symIntValues: [:], inputSpecs: [],
      outputSpecs: [], rangeConstraints: [:], schemaVersion: (8, 20), opsetVersion: ["aten": 10],
      torchVersion: "2.13.0")

    let parameters = Self.parameterNames[target.split(separator: ".")[1].description] ?? []
    var given = try node.member("inputs").elements()[...]
    var arguments: [(name: String, argument: ExportedProgram.Argument)] = []
    for parameter in signature.parameters {
      if let value = try node.member("arguments").optionalMember(parameter.name) {
        arguments.append((parameter.name, try Self.argument(value, parameter)))
      } else if try node.member("arguments").members().contains(where: { $0.key == parameter.name }) {
        arguments.append((parameter.name, .none))
      } else if parameter.kind == .tensor, parameter.isList {
        let names = try given.map { try add(tensor($0), isParameter: false) }
        given = []
        arguments.append((parameter.name, .tensors(names)))
      } else if parameter.kind == .tensor, let next = given.popFirst() {
        guard !next.isNull else {
          arguments.append((parameter.name, .none))
          continue
        }
        let name = try add(tensor(next), isParameter: parameters.contains(parameter.name))
        arguments.append((parameter.name, .tensor(name)))
      }
    }
    #expect(given.isEmpty, "\(name): tensors are left over")
    program.nodes = [
      .init(
        target: "torch.ops.\(target)", inputs: arguments, outputs: [.tensor("result")], modulePath: "op",
        name: "result")
    ]
    program.outputSpecs = [.userOutput(.tensor("result"))]
  }

  private mutating func add(_ tensor: Tensor, isParameter: Bool) throws -> String {
    let argument = "t\(program.inputSpecs.count)"
    if isParameter {
      program.inputSpecs.append(.parameter(argument: argument, key: argument))
      program.weights.append((argument, tensor))
    } else {
      program.inputSpecs.append(.userInput(.tensor(argument)))
      program.tensorValues[argument] = .init(
        scalarType: .init(code: 7), sizes: tensor.shape.map { .int($0) },
        strides: tensor.shape.contiguousStrides.map { .int($0) }, storageOffset: .int(0), layout: .strided)
      inputs.append(tensor)
    }
    return argument
  }

  /// An argument as a program spells it.
  private static func argument(
    _ node: JSONNode, _ parameter: ATenSignature.Parameter
  ) throws -> ExportedProgram.Argument {
    switch node.value {
    case .null: return .none
    case .bool(let flag): return .bool(flag)
    // The schema's default of a memory format is a number: 0, contiguous.
    case .int(0) where parameter.kind == .memoryFormat: return .memoryFormat(.contiguous)
    case .int(let number): return .int(Int(number))
    case .array:
      return .ints(try node.list { try $0.int() })
    case .string(let text):
      switch parameter.kind {
      case .memoryFormat:
        return .memoryFormat(
          text == "channels_last" ? .channelsLast : text == "preserve_format" ? .preserve : .contiguous)
      case .dtype: return .scalarType(.init(code: text == "float32" ? 7 : 8))
      case .device: return .device(text)
      case .layout: return .layout(.strided)
      case .str: return .string(text)
      default: return .float(try node.double())
      }
    default: return .float(try node.double())
    }
  }
}
