import RBNFormats
import RBNTensor
import Testing

@testable import RBNGraph

@Suite struct GraphCodingTests {
  /// What a graph computes, by names.
  private func summary(_ graph: Graph) -> [String] {
    graph.nodes.map { node in
      let inputs = node.inputs.map {
        $0.map { graph.isParameter($0) ? "{\(graph[$0].name)}" : graph[$0].name }
      }
      return "\(node.name) \(node.op.name) \(inputs) \(node.outputs.map { graph[$0].name }) "
        + "\(node.op.attributes) \(node.module)"
    } + graph.inputs.map { "\($0.name) \($0.dtype) \($0.shape) \($0.exampleShape)" }
      + graph.outputs.map { "\($0.name) \(graph[$0.value].name)" }
  }

  private func expectRoundTrip(_ graph: Graph) throws {
    let document = try GraphCoding.encode(graph)
    let text = document.text(.pretty)
    let parsed = try JSONValue.parse(Array(text.utf8), document: "graph.json")
    #expect(parsed == document)
    let decoded = try GraphCoding.decode(parsed, parameters: graph.parameters)
    #expect(summary(decoded) == summary(graph))
    #expect(Set(decoded.parameters.keys) == Set(graph.parameters.keys))
    #expect(try GraphCoding.encode(decoded) == document)
  }

  @Test(arguments: Fixtures.programs()) func importedProgramsSurvive(_ name: String) throws {
    try expectRoundTrip(try Fixtures.graph(name))
  }

  @Test func builtNetworksSurvive() throws {
    try expectRoundTrip(
      Architectures.build(
        architecture: nil, from: StateDict.torchvision(expansion: 4, depths: [3, 4, 6, 3]).tensors()))
    try expectRoundTrip(
      Architectures.build(architecture: nil, from: StateDict.cifar(depth: 3, norm: .representative).tensors())
    )
  }

  @Test func numbersOfAllKindsSurvive() throws {
    var p = ProgramBuilder()
    p.call("a", target: "clamp.default", ["self": "x", "min": .float(-.infinity), "max": 0.1])
    p.call("b", target: "constant_pad_nd.default", ["self": "a", "pad": [1, 0], "value": .float(.infinity)])
    p.call("c", target: "mul.Tensor", ["self": "b", "other": .float(1e300)])
    p.call("d", target: "add.Tensor", ["self": "c", "other": 3.0])
    p.call("y", target: "slice.Tensor", ["self": "d", "dim": 3, "start": -3])
    p.output("y")
    try expectRoundTrip(try p.graph())
  }

  @Test func integersAndBooleansSurvive() throws {
    var graph = Graph()
    let x = graph.addInput("x", dtype: .int64, shape: [nil, 3], exampleShape: [2, 3])
    let flag = graph.addInput("flag", dtype: .bool, shape: [nil, 3], exampleShape: [2, 3])
    let offsets = graph.addParameter(
      try Tensor(shape: [3], scalars: [1, -2, 3]).converted(to: .int32), suggestedKey: "offsets")
    let sum = graph.append(Binary(.add), [x, offsets], module: ModuleCall(""))
    let either = graph.append(Binary(.logicalOr), [flag, sum], module: ModuleCall(""))
    graph.outputs = [Graph.Output(name: "sum", value: sum), Graph.Output(name: "either", value: either)]
    try expectRoundTrip(graph)
  }

  @Test func safeSoftmaxSurvives() throws {
    var p = ProgramBuilder()
    p.call("y", target: "softmax.int", ["self": "x", "dim": 1])
    p.call("z", target: "_safe_softmax.default", ["self": "y", "dim": -1])
    p.output("z")
    let graph = try p.graph()
    #expect(graph.nodes.compactMap { ($0.op as? Softmax)?.isSafe } == [false, true])
    try expectRoundTrip(graph)
  }

  @Test func fusedOperatorsAreNotWritten() throws {
    var graph = try Self.small()
    graph.nodes[0].op = FusedConv2d(Conv2d())
    let error = try #require(throws: RBNError.self) { _ = try GraphCoding.encode(graph) }
    #expect(error.code == .unsupportedOperator)
  }

  // MARK: Errors

  private static func small() throws -> Graph {
    var p = ProgramBuilder()
    try p.parameter("w", [4, 4, 3, 3])
    p.call("y", target: "conv2d.default", ["input": "x", "weight": "w", "padding": [1, 1]])
    p.call("z", target: "relu.default", ["self": "y"])
    p.output("z")
    return try p.graph()
  }

  private static let rules: [(old: String, new: String, code: RBNError.Code, message: String)] = [
    ("\"schema_version\":1", "\"schema_version\":2", .graphSchemaVersion, "schema version 2"),
    ("[\"y\"],\"outputs\":[\"z\"]", "[\"q\"],\"outputs\":[\"z\"]", .malformedGraph, "\"q\" is not defined"),
    ("[\"y\"],\"outputs\":[\"z\"]", "[\"z\"],\"outputs\":[\"z\"]", .malformedGraph, "not defined before"),
    ("\"outputs\":[\"z\"]", "\"outputs\":[\"y\"]", .malformedGraph, "\"y\" is defined twice"),
    ("\"outputs\":[\"z\"]", "\"outputs\":[]", .malformedGraph, "\"z\" is not defined"),
    ("\"outputs\":[\"z\"]", "\"outputs\":[\"z\",\"u\"]", .malformedGraph, "has 1 outputs, the graph names 2"),
    ("\"name\":\"z\"", "\"name\":\"y\"", .malformedGraph, "two nodes named \"y\""),
    ("aten.relu.default", "aten.relo.default", .unsupportedOperator, "not known"),
    ("\"parameter\":\"net.w\"", "\"parameter\":\"net.v\"", .missingParameter, "net.v"),
    ("\"groups\":1", "\"groups\":0", .invalidAttribute, "groups is 0"),
    ("\"groups\":1", "\"group\":1", .invalidAttribute, "no attribute \"group\""),
    ("\"padding\":[1,1]", "\"padding\":[1,{}]", .unexpectedJSON, "expected a number"),
    ("\"example_shape\":[2,4,8,8]", "\"example_shape\":[2,3,8,8]", .malformedGraph, "example does not fit"),
    ("\"example_shape\":[2,4,8,8]", "\"example_shape\":[2,4,8]", .malformedGraph, "example does not fit"),
    ("\"groups\":1", "\"groups\":2", .shapeMismatch, "does not fit"),
    ("\"dtype\":\"float32\"", "\"dtype\":\"float16\"", .malformedGraph, "float16"),
    ("\"dtype\":\"float32\"", "\"dtype\":\"float31\"", .malformedGraph, "float31"),
    ("\"call\":0", "\"call\":-1", .malformedGraph, "negative"),
    ("\"module\":\"block\"", "\"module\":null", .unexpectedJSON, "expected a string"),
    ("{\"name\":\"output\",\"value\":\"z\"}", "", .malformedGraph, "no outputs"),
    (
      "{\"name\":\"output\",\"value\":\"z\"}",
      "{\"name\":\"output\",\"value\":\"z\"},{\"name\":\"output\",\"value\":\"y\"}", .malformedGraph,
      "two outputs named"
    ),
  ]

  @Test(arguments: rules.indices) func eachRuleHasItsError(_ index: Int) throws {
    let rule = Self.rules[index]
    let graph = try Self.small()
    let text = try GraphCoding.encode(graph).text()
    let range = try #require(text.firstRange(of: rule.old))
    let broken = text.replacingCharacters(in: range, with: rule.new)
    let document = try JSONValue.parse(Array(broken.utf8), document: "graph.json")
    let error = try #require(throws: RBNError.self) {
      _ = try GraphCoding.decode(document, parameters: graph.parameters)
    }
    #expect(error.code == rule.code, "\(error)")
    #expect(error.message.contains(rule.message), "\(error)")
    #expect(error.subject == .model)
  }

  /// Any change of a document gives a graph or an error, and nothing else.
  @Test(arguments: 0..<8) func mutationsNeverCrash(_ seed: UInt64) throws {
    let names = Fixtures.programs()
    let graph = try Fixtures.graph(names[Int(seed) * 5 % names.count])
    let original = try GraphCoding.encode(graph)
    var random = SplitMix(state: seed)
    var outcomes = (decoded: 0, refused: 0)
    for _ in 0..<60 {
      do {
        _ = try GraphCoding.decode(original.mutated(&random), parameters: graph.parameters)
        outcomes.decoded += 1
      } catch is RBNError {
        outcomes.refused += 1
      }
    }
    #expect(outcomes.decoded + outcomes.refused == 60)
    #expect(outcomes.refused > 0)
  }
}

struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

extension JSONValue {
  /// The value with one part, somewhere in it, replaced, dropped or doubled.
  func mutated(_ random: inout SplitMix) -> JSONValue {
    let strangers: [JSONValue] = [
      .null, .bool(true), .int(-1), .int(0), .int(Int64.max), .int(Int64.min), .int(3), .double(.nan),
      .double(-1e308), .string(""), .string("x"), .string("Infinity"), .array([]), .object(JSONObject()),
      .array([.int(Int64.max), .int(Int64.max)]), .array([.string("size"), .int(-1), .int(9)]),
    ]
    switch self {
    case .array(var elements) where !elements.isEmpty && Int.random(in: 0..<8, using: &random) > 0:
      let index = Int.random(in: elements.indices, using: &random)
      switch Int.random(in: 0..<12, using: &random) {
      case 0: elements.remove(at: index)
      case 1: elements.append(elements[index])
      default: elements[index] = elements[index].mutated(&random)
      }
      return .array(elements)
    case .object(var object) where !object.members.isEmpty && Int.random(in: 0..<8, using: &random) > 0:
      let member = object.members[Int.random(in: object.members.indices, using: &random)]
      object[member.key] = Int.random(in: 0..<12, using: &random) == 0 ? nil : member.value.mutated(&random)
      return .object(object)
    default: return strangers[Int.random(in: strangers.indices, using: &random)]
    }
  }
}
