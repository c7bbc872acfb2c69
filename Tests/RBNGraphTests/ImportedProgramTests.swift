import Foundation
import RBNFormats
import RBNTensor
import Testing

@testable import RBNGraph

enum Fixtures {
  static let blocks = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "fixtures/blocks")

  static func programs() -> [String] {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: blocks.path)) ?? []
    return files.filter { $0.hasSuffix(".pt2") }.sorted()
  }

  static func graph(_ name: String) throws -> Graph {
    try ExportedProgramImporter.graph(
      from: try ExportedProgram(contentsOf: blocks.appending(path: name).path))
  }
}

@Suite struct ImportedProgramTests {
  @Test func thereAreFixtures() { #expect(Fixtures.programs().count > 30) }

  @Test(arguments: Fixtures.programs()) func everyFixtureIsImported(_ name: String) throws {
    let graph = try Fixtures.graph(name)
    #expect(graph.outputs.map(\.name) == ["output"])
    // These have the example's batch size as a literal, because the network asked for it, or are no images.
    let literal = [
      "mean-view", "siblings-in-place-decomposed", "shared-gate", "two-dimensional", "unsqueezed",
      "channel-shuffle.", "channel-shuffle-decomposed",
    ]
    let hasLiteralBatch = literal.contains { name.contains($0) }
    #expect(graph.inputs.allSatisfy { ($0.shape[0] == nil) != hasLiteralBatch && $0.shape[1] != nil })
    let types = try graph.inferTypes(inputShapes: graph.inputs.map(\.exampleShape))
    #expect(types[graph.outputs[0].value.index] != nil)
    // Views of parameters are folded, and every parameter that is left is read.
    #expect(
      !graph.nodes.contains { node in
        (node.op is Reshape || node.op is Permute) && node.inputs[0].map { graph.isParameter($0) } == true
      })
    #expect(Set(graph.nodes.map(\.name)).count == graph.nodes.count)
  }

  @Test func callsOfOneModuleAreCounted() throws {
    let modules = Set(try Fixtures.graph("shared-norm.pt2").nodes.map(\.module))
    let called = Dictionary(grouping: modules, by: \.path).mapValues { $0.map(\.call).sorted() }
    #expect(called.values.contains { $0.contains(1) })
  }

  /// The published module centres its input in place: the trunk of a pre-activation block sees it.
  @Test func theTrunkSeesCenteringInPlace() throws {
    let graph = try Fixtures.graph("pre-activation-in-place.pt2")
    let adds = graph.nodes.filter { ($0.op as? Binary)?.function == .add }
    let trunk = try #require(adds.last)
    let stem = try #require(graph.nodes.first).outputs[0]
    #expect(!trunk.inputs.contains { $0 == stem })
    let plain = try Fixtures.graph("pre-activation.pt2")
    let plainAdds = plain.nodes.filter { ($0.op as? Binary)?.function == .add }
    let plainTrunk = try #require(plainAdds.last)
    #expect(plainTrunk.inputs.contains { $0 == plain.nodes[0].outputs[0] })
  }
}

@Suite struct LoweringTests {
  @Test func addmmWithATransposedWeightIsLinearWithTheWeightItself() throws {
    for target in ["permute.default", "t.default", "transpose.int"] {
      var p = ProgramBuilder([2, 8])
      try p.parameter("weight", [5, 8])
      try p.parameter("bias", [5])
      p.call("t", target: target, ["self": "weight"])
      let dims: [(name: String, argument: ExportedProgram.Argument)] =
        target == "permute.default"
        ? [("dims", [1, 0])] : target == "transpose.int" ? [("dim0", 0), ("dim1", 1)] : []
      p.program.nodes[0].inputs += dims
      p.call("y", target: "addmm.default", ["self": "bias", "mat1": "x", "mat2": "t"])
      p.output("y")
      let graph = try p.graph()
      #expect(graph.lines == ["y = linear(x, net.weight, net.bias)"])
      #expect(graph.parameters.keys.sorted() == ["net.bias", "net.weight"])
    }
  }

  @Test func matrixProductsTransposeTheirParameter() throws {
    var p = ProgramBuilder([2, 2])
    try p.parameter("m", [2, 3])
    p.program.weights[0].tensor = try Tensor(shape: [2, 3], scalars: [1, 2, 3, 4, 5, 6])
    p.call("y", target: "mm.default", ["self": "x", "mat2": "m"])
    p.output("y")
    let graph = try p.graph()
    let weight = try #require(graph.tensor(of: graph.nodes[0].inputs[1]))
    #expect(weight.shape == [3, 2])
    #expect(weight.floats == [1, 4, 2, 5, 3, 6])
  }

  @Test func viewsOfParametersAreParameters() throws {
    var p = ProgramBuilder()
    try p.parameter("w", [4])
    p.call("v", target: "view.default", ["self": "w", "size": [1, -1, 1, 1]])
    p.call("u", target: "view.default", ["self": "w", "size": [1, -1, 1, 1]])
    p.call("y", target: "mul.Tensor", ["self": "x", "other": "v"])
    p.call("z", target: "mul.Tensor", ["self": "y", "other": "u"])
    p.output("z")
    let graph = try p.graph()
    #expect(graph.lines == ["y = mul(x, net.w.reshaped)", "z = mul(y, net.w.reshaped)"])
    #expect(graph.parameters.mapValues(\.shape) == ["net.w.reshaped": [1, 4, 1, 1]])
  }

  @Test func samePaddingPutsTheOddOneBehind() throws {
    var p = ProgramBuilder()
    try p.parameter("w", [4, 4, 4, 3])
    p.call("y", target: "conv2d.padding", ["input": "x", "weight": "w", "padding": .string("same")])
    p.output("y")
    let graph = try p.graph()
    #expect((graph.nodes[0].op as? Conv2d)?.padding == [1, 1, 2, 1])
    #expect(try graph.outputShapes([2, 4, 8, 8]) == [[2, 4, 8, 8]])
  }

  @Test func numbersStandOnEitherSide() throws {
    var p = ProgramBuilder()
    p.call("a", target: "rsub.Scalar", ["self": "x", "other": 1, "alpha": 2])
    p.call("b", target: "sub.Tensor", ["self": "a", "other": 0.5])
    p.call("c", target: "div.Tensor", ["self": 2.0, "other": "b"])
    p.output("c")
    let ops = try p.graph().nodes.compactMap { $0.op as? Binary }
    #expect(ops.map(\.function) == [.sub, .sub, .div])
    #expect(ops.map(\.scalar) == [1, 0.5, 2])
    #expect(ops.map(\.scalarIsFirst) == [true, false, true])
    #expect(ops.map(\.alpha) == [2, 1, 1])
  }

  /// The dtypes of a graph's outputs for the example shapes of its inputs.
  private func outputDTypes(_ graph: Graph) throws -> [DType?] {
    let types = try graph.inferTypes(inputShapes: graph.inputs.map(\.exampleShape))
    return graph.outputs.map { types[$0.value.index]?.dtype }
  }

  /// `(x > 0) + (x > 1)` is true or false, never 2.
  @Test func arithmeticOfBooleansIsLogical() throws {
    var p = ProgramBuilder()
    p.call("a", target: "gt.Scalar", ["self": "x", "other": 0])
    p.call("b", target: "gt.Scalar", ["self": "x", "other": 1])
    p.call("sum", target: "add.Tensor", ["self": "a", "other": "b"])
    p.call("product", target: "mul.Tensor", ["self": "sum", "other": "b"])
    p.call("either", target: "add.Scalar", ["self": "product", "other": true])
    p.call("count", target: "add.Scalar", ["self": "either", "other": 1])
    p.output("sum", "product", "either", "count")
    let graph = try p.graph()
    #expect(
      graph.nodes.compactMap { ($0.op as? Binary)?.function } == [
        .greater, .greater, .logicalOr, .logicalAnd, .logicalOr, .add,
      ])
    #expect(try outputDTypes(graph) == [.bool, .bool, .bool, .int64])
  }

  /// The type of the number counts, not its value: `n * 2.0` is float32, `n * 2` is not.
  @Test(arguments: [
    ("add.Scalar", "other"), ("mul.Tensor", "other"), ("rsub.Scalar", "other"), ("fmod.Scalar", "other"),
    ("remainder.Scalar", "other"), ("floor_divide.Scalar", "other"), ("pow.Tensor_Scalar", "exponent"),
    ("clamp.default", "min"), ("clamp.default", "max"), ("clamp_min.default", "min"),
    ("clamp_max.default", "max"),
  ])
  func aNumberOfFloatingPointMakesIntegersFloat32(_ target: String, _ argument: String) throws {
    let numbers: [(ExportedProgram.Argument, code: Int, DType)] = [
      (.float(2), 7, .float32), (.int(2), 5, .int64),
    ]
    for (number, code, dtype) in numbers {
      var p = ProgramBuilder([2, 3], dtype: 5)
      p.call("y", target: target, ["self": "x", argument: number])
      p.record("y", [.int(2), .int(3)], strides: [3, 1], dtype: code)
      p.output("y")
      #expect(try outputDTypes(try p.graph()) == [dtype])
    }
  }

  @Test func booleansTimesNumbersAreNumbers() throws {
    var p = ProgramBuilder()
    p.call("c", target: "gt.Scalar", ["self": "x", "other": 0.5])
    p.call("a", target: "mul.Tensor", ["self": "c", "other": 1.0])
    p.call("b", target: "mul.Tensor", ["self": "c", "other": 1])
    p.call("d", target: "pow.Scalar", ["self": 2.0, "exponent": "b"])
    p.call("e", target: "eq.Scalar", ["self": "b", "other": 1.0])
    p.output("a", "b", "d", "e")
    #expect(try outputDTypes(try p.graph()) == [.float32, .int64, .float32, .bool])
  }

  @Test func numbersToChooseFromHaveTheirOwnType() throws {
    var p = ProgramBuilder([2, 3], dtype: 5)
    p.call("c", target: "gt.Scalar", ["self": "x", "other": 0])
    p.call("a", target: "where.ScalarOther", ["condition": "c", "self": "x", "other": 1.0])
    p.call("b", target: "where.ScalarSelf", ["condition": "c", "self": 1, "other": "x"])
    p.call("d", target: "where.Scalar", ["condition": "c", "self": 1, "other": 0])
    p.call("e", target: "where.Scalar", ["condition": "c", "self": 1, "other": 0.0])
    p.call("f", target: "where.Scalar", ["condition": "c", "self": true, "other": false])
    p.output("a", "b", "d", "e", "f")
    #expect(try outputDTypes(try p.graph()) == [.float32, .int64, .int64, .float32, .bool])
  }

  @Test func countingFromANumberOfFloatingPointGivesFloat32() throws {
    var p = ProgramBuilder()
    p.call("r", target: "arange.start", ["start": 0.0, "end": 8])
    p.call("y", target: "mul.Tensor", ["self": "x", "other": "r"])
    p.output("y")
    #expect(try p.graph().parameters.values.map(\.dtype) == [.float32])
  }

  @Test func outputsOfOneTensorAreNumbered() throws {
    var p = ProgramBuilder()
    p.call("y", target: "relu.default", ["self": "x"])
    for _ in 0..<5000 { p.output("y") }
    let names = try p.graph().outputs.map(\.name)
    #expect(names.prefix(4) == ["y", "y_again", "y_again_2", "y_again_3"])
    #expect(Set(names).count == 5000)
  }

  @Test func dictsNameTheOutputs() throws {
    var p = ProgramBuilder()
    p.call("a", target: "relu.default", ["self": "x"])
    p.call("b", target: "neg.default", ["self": "x"])
    p.output("a", "b")
    p.program.outputNames = ["out", "aux.0"]
    #expect(try p.graph().outputs.map(\.name) == ["out", "aux.0"])
    p.program.outputNames = nil
    #expect(try p.graph().outputs.map(\.name) == ["a", "b"])
  }

  @Test func rowsAreImagesOfOneRow() throws {
    var p = ProgramBuilder([2, 3, 9])
    try p.parameter("w", [5, 3, 4])
    p.call("y", target: "conv1d.default", ["input": "x", "weight": "w", "stride": [2], "padding": [1]])
    p.output("y")
    let graph = try p.graph()
    let conv = try #require(graph.nodes.compactMap { $0.op as? Conv2d }.first)
    #expect(conv.stride == [1, 2] && conv.padding == [0, 1, 0, 1])
    #expect(try graph.outputShapes([2, 3, 9]) == [[2, 5, 4]])
  }

  @Test func constantsAreParameters() throws {
    var p = ProgramBuilder()
    p.call("r", target: "arange.start_step", ["start": 1, "end": 9, "step": 2])
    p.call("v", target: "view.default", ["self": "r", "size": [1, 4, 1, 1]])
    p.call("y", target: "mul.Tensor", ["self": "x", "other": "v"])
    p.output("y")
    let graph = try p.graph()
    #expect(graph.parameters.values.first?.doubles == [1, 3, 5, 7])
    #expect(graph.parameters.values.first?.dtype == .int64)
  }

  @Test func moduleAndCallAreKept() throws {
    var p = ProgramBuilder()
    p.call("y", target: "relu.default", ["self": "x"], module: "layer1.0.relu", call: 2)
    p.output("y")
    #expect(try p.graph().nodes[0].module == ModuleCall("layer1.0.relu", call: 2))
  }
}
