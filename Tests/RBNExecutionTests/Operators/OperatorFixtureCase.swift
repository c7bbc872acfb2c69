import Foundation
import RBNTensor
import Testing

@testable import RBNFormats
@testable import RBNGraph

/// One call of an ATen operator, from `fixtures/ops/further.json`, as a program of `torch.export` with this one node.
struct OperatorFixtureCase: CustomTestStringConvertible {
  var name: String
  var program: ExportedProgram
  var inputs: [Tensor] = []
  /// PyTorch's results in float32.
  var outputs: [Tensor]
  /// The results in float64; empty for operators that only move or compare.
  var truth: [Tensor]

  var testDescription: String { name }

  /// Arguments that are parameters of layers; everything else comes in at run time.
  private static let parameterNames: Set<String> = ["weight", "bias", "running_mean", "running_var"]
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "fixtures/ops")

  static func all() throws -> [OperatorFixtureCase] {
    let archive = try NumPy.readArchive(folder.appending(path: "further.npz").path)
    let tensors = Dictionary(archive.map { ($0.name, $0.tensor) }) { $1 }
    let bytes = Array(try Data(contentsOf: folder.appending(path: "further.json")))
    let root = JSONNode(try JSONValue.parse(bytes, document: "further.json"), document: "further.json")
    return try root.member("cases").elements().map { try OperatorFixtureCase($0, tensors) }
  }

  private init(_ node: JSONNode, _ tensors: [String: Tensor]) throws {
    let target = "torch.ops.\(try node.member("target").string())"
    name = try node.member("case").string()
    let signature = try #require(Lowerings.find(target)?.signature, "\(target) is not known")
    outputs = try node.member("outputs").elements().map { try #require(tensors[try $0.string()]) }
    let name = name
    truth = outputs.indices.compactMap { tensors["\(name)/truth/\($0)"] }
    program = ExportedProgram(
      nodes: [], inputs: [], outputs: [], tensorValues: [:], symIntValues: [:], inputSpecs: [],
      outputSpecs: [], rangeConstraints: [:], schemaVersion: (8, 20), opsetVersion: ["aten": 10],
      torchVersion: "2.13.0")
    let given = try node.member("inputs").elements().map { try $0.isNull ? nil : tensors[$0.string()] }
    let arguments = try arguments(signature, try node.member("arguments"), given)
    let results = outputs.indices.map { "r\($0)" }
    program.nodes = [
      .init(
        target: target, inputs: arguments, outputs: results.map { .tensor($0) }, modulePath: "op", name: "r0")
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
        let isParameter = Self.parameterNames.contains(parameter.name)
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
    case (.int, .memoryFormat), (.string, .memoryFormat): .memoryFormat(.preserve)
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
