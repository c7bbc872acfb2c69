import RBNTensor

@testable import RBNFormats
@testable import RBNGraph

/// Writes exported programs by hand, a call a line.
struct ProgramBuilder {
  typealias Argument = ExportedProgram.Argument

  var program = ExportedProgram(
    nodes: [], inputs: [], outputs: [], tensorValues: [:], symIntValues: [:], inputSpecs: [],
    outputSpecs: [], rangeConstraints: [:], schemaVersion: (8, 20), opsetVersion: ["aten": 10],
    torchVersion: "2.13.0")

  /// A user input `x`, unless named otherwise.
  init(_ shape: [Int] = [2, 4, 8, 8], name: String = "x", dynamic: Set<Int> = [], dtype: Int = 7) {
    addInput(shape, name: name, dynamic: dynamic, dtype: dtype)
  }

  mutating func addInput(_ shape: [Int], name: String, dynamic: Set<Int> = [], dtype: Int = 7) {
    let sizes = shape.enumerated().map { axis, size in
      dynamic.contains(axis) ? ExportedProgram.SymInt.expression("s\(axis)", hint: size) : .int(size)
    }
    record(name, sizes, strides: Shape(shape).contiguousStrides, dtype: dtype)
    program.inputSpecs.append(.userInput(.tensor(name)))
  }

  mutating func record(_ name: String, _ sizes: [ExportedProgram.SymInt], strides: [Int], dtype: Int = 7) {
    program.tensorValues[name] = ExportedProgram.TensorMeta(
      scalarType: .init(code: dtype), sizes: sizes, strides: strides.map { .int($0) },
      storageOffset: .int(0), layout: .strided)
  }

  mutating func parameter(_ name: String, _ shape: Shape, dtype: DType = .float32) throws {
    program.inputSpecs.append(.parameter(argument: name, key: "net.\(name)"))
    program.weights.append(("net.\(name)", try .zeros(shape, dtype: dtype)))
  }

  mutating func buffer(_ name: String, _ shape: Shape, dtype: DType = .float32) throws {
    program.inputSpecs.append(.buffer(argument: name, key: "net.\(name)", isPersistent: true))
    program.weights.append(("net.\(name)", try .zeros(shape, dtype: dtype)))
  }

  /// A call of `torch.ops.aten.<target>`, or of a target with a module of its own.
  mutating func call(
    _ outputs: String..., target: String, _ inputs: KeyValuePairs<String, Argument>, module: String = "block",
    call: Int = 0
  ) {
    let target = target.hasPrefix("_operator") ? target : "torch.ops.aten.\(target)"
    let isSize = target.hasPrefix("_operator") || target.contains("sym_size")
    let results: [Argument] =
      isSize
      ? outputs.map { .symInt(.name($0)) }
      : target.contains("chunk") || target.contains("split")
        ? [.tensors(outputs)] : outputs.map { .tensor($0) }
    program.nodes.append(
      ExportedProgram.Node(
        target: target, inputs: inputs.map { (name: $0.key, argument: $0.value) }, outputs: results,
        modulePath: module, moduleCall: call, name: outputs.first ?? ""))
  }

  mutating func output(_ names: String...) {
    program.outputSpecs += names.map { .userOutput(.tensor($0)) }
  }

  func graph() throws -> Graph { try ExportedProgramImporter.graph(from: program) }
}

extension ExportedProgram.Argument: ExpressibleByStringLiteral,
  ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral,
  ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral
{
  /// A name of a tensor.
  public init(stringLiteral value: String) { self = .tensor(value) }
  /// A number.
  public init(integerLiteral value: Int) { self = .int(value) }
  /// A list of numbers.
  public init(arrayLiteral elements: Int...) { self = .ints(elements) }
  /// A number.
  public init(floatLiteral value: Double) { self = .float(value) }
  /// A flag.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
}
