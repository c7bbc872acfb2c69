import RBNFormats
import RBNTensor
import Testing

@testable import RBNGraph

@Suite struct ImportErrorTests {
  /// The error of a program whose one call is refused.
  private func error(
    _ target: String, _ inputs: KeyValuePairs<String, ExportedProgram.Argument>, outputs: Int = 1
  ) throws -> RBNError {
    var p = ProgramBuilder()
    try p.parameter("weight", [4, 4, 3, 3])
    try p.parameter("vector", [4])
    if outputs == 1 {
      p.call("y", target: target, inputs)
    } else {
      p.call("y", "z", target: target, inputs)
    }
    p.output("y")
    return try #require(throws: RBNError.self) { _ = try p.graph() }
  }

  @Test func unsupportedOperatorsAreListedTogether() throws {
    var p = ProgramBuilder()
    p.call("a", target: "kthvalue.default", ["self": "x"], module: "")
    p.call("b", target: "erfinv.default", ["self": "a"], module: "layer1.0")
    p.call("c", target: "kthvalue.default", ["self": "b"])
    p.output("c")
    let error = try #require(throws: RBNError.self) { _ = try p.graph() }
    #expect(error.code == .importUnsupportedOperators)
    #expect(
      error.message
        == "the program uses operators that are not supported: aten.erfinv.default (1 time, first in "
        + "layer1.0), aten.kthvalue.default (2 times, first in the network itself)")
  }

  @Test func trainingModeIsExplained() throws {
    let errors = [
      try error(
        "batch_norm.default",
        [
          "input": "x", "weight": "vector", "bias": "vector", "running_mean": "vector",
          "running_var": "vector",
          "training": true, "momentum": 0.1, "eps": 1e-5, "cudnn_enabled": false,
        ]),
      try error(
        "_native_batch_norm_legit_functional.default",
        [
          "input": "x", "weight": "vector", "bias": "vector", "running_mean": "vector",
          "running_var": "vector",
          "training": true, "momentum": 0.1, "eps": 1e-5,
        ]),
      try error("dropout.default", ["input": "x", "p": 0.5, "train": true]),
    ]
    for error in errors {
      #expect(error.code == .importTrainingMode)
      #expect(error.advice?.contains("model.eval()") == true)
    }
  }

  @Test func argumentsAreCheckedAgainstTheSchema() throws {
    let errors = [
      try error("relu.default", ["self": "x", "slope": 0.1]), try error("relu.default", [:]),
      try error("relu.default", ["self": "x", "self": "x"]),
      try error("mean.dim", ["self": "x", "dim": .string("all")]),
      try error("conv2d.default", ["input": "x", "weight": "weight", "stride": .none]),
      try error("relu.default", ["self": .unsupported("as_graph")]),
    ]
    #expect(errors.map(\.code) == Array(repeating: .importArguments, count: errors.count))
    #expect(errors[0].message == "has an argument slope, which relu.default has not")
    #expect(errors[1].message == "lacks the argument self")
    #expect(errors[0].location == "block, node y (torch.ops.aten.relu.default)")
  }

  @Test(arguments: [
    ("gelu.default", "approximate", ExportedProgram.Argument.string("erf")),
    ("pad.default", "mode", .string("wrap")), ("chunk.default", "chunks", .int(0)),
    ("linalg_vector_norm.default", "ord", .float(3)), ("split.Tensor", "split_size", .int(-3)),
    ("split_with_sizes.default", "split_sizes", .ints([1, 3])),
    ("_softmax.default", "half_to_float", .bool(true)),
    ("mean.dim", "dtype", .scalarType(.init(code: 8))),
  ])
  func argumentsThatAreNotSupportedAreRefused(
    _ target: String, _ name: String, _ value: ExportedProgram.Argument
  ) throws {
    var p = ProgramBuilder()
    p.call("y", target: target, ["self": "x"])
    let extra: [(name: String, argument: ExportedProgram.Argument)] =
      target == "pad.default"
      ? [("pad", [1, 1])]
      : target == "_softmax.default"
        ? [("dim", 1)]
        : target == "mean.dim" ? [("dim", [1])] : []
    p.program.nodes[0].inputs += extra + [(name, value)]
    p.output("y")
    let error = try #require(throws: RBNError.self) { _ = try p.graph() }
    #expect(error.code == (target == "mean.dim" ? .importDType : .importUnsupportedArguments))
    #expect(error.subject == .model)
  }

  @Test func convolutionsOfThreeDimensionsAreRefused() throws {
    var p = ProgramBuilder([1, 4, 5, 6, 7])
    try p.parameter("volume", [4, 4, 3, 3, 3])
    p.call(
      "y", target: "convolution.default",
      [
        "input": "x", "weight": "volume", "bias": .none, "stride": [1, 1, 1], "padding": [0, 0, 0],
        "dilation": [1, 1, 1], "transposed": false, "output_padding": [0, 0, 0], "groups": 1,
      ])
    p.output("y")
    let error = try #require(throws: RBNError.self) { _ = try p.graph() }
    #expect(error.code == .importUnsupportedArguments)
    #expect(error.message.contains("3 dimensions"))
  }

  @Test func resultsThatAreNotComputedMayNotBeUsed() throws {
    var p = ProgramBuilder()
    p.call("y", "i", target: "max_pool2d_with_indices.default", ["self": "x", "kernel_size": [2, 2]])
    var unused = p
    unused.output("y")
    #expect(try unused.graph().outputShapes([2, 4, 8, 8]) == [[2, 4, 4, 4]])
    p.call("n", target: "neg.default", ["self": "i"])
    p.output("n")
    let error = try #require(throws: RBNError.self) { _ = try p.graph() }
    #expect(error.message.contains("the indices of a max pooling"))
  }

  @Test func valuesMustBeMadeOnceAndBeforeTheyAreRead() throws {
    let early = try error("relu.default", ["self": "later"])
    #expect(early.code == .importValues)
    #expect(early.message.contains("later"))
    var p = ProgramBuilder()
    p.call("y", target: "relu.default", ["self": "x"])
    p.call("y", target: "relu.default", ["self": "x"])
    p.output("y")
    #expect(try #require(throws: RBNError.self) { _ = try p.graph() }.code == .importValues)
    var missing = ProgramBuilder()
    missing.output("nothing")
    #expect(try #require(throws: RBNError.self) { _ = try missing.graph() }.location == "output nothing")
  }

  @Test(arguments: [6, 8, 13, 99]) func inputsOfOtherFloatingPointDtypesAreRefused(_ dtype: Int) throws {
    var p = ProgramBuilder(dtype: dtype)
    p.call("y", target: "relu.default", ["self": "x"])
    p.output("y")
    let error = try #require(throws: RBNError.self) { _ = try p.graph() }
    #expect(error.code == .importDType)
    #expect(error.location == "input x")
  }

  @Test func integersAreComputedWith() throws {
    var p = ProgramBuilder()
    try p.buffer("table", [4, 1, 1], dtype: .int64)
    p.call("y", target: "mul.Tensor", ["self": "x", "other": "table"])
    p.call("z", target: "argmax.default", ["self": "y", "dim": 1])
    p.output("y", "z")
    let graph = try p.graph()
    let types = try graph.inferTypes(inputShapes: [[2, 4, 8, 8]])
    #expect(graph.outputs.map { types[$0.value.index]?.dtype } == [.float32, .int64])
  }

  @Test func computingInOtherDtypesIsRefused() throws {
    var half = ProgramBuilder()
    half.call("y", target: "relu.default", ["self": "x"])
    half.record("y", [.int(2), .int(4), .int(8), .int(8)], strides: [256, 64, 8, 1], dtype: 6)
    half.output("y")
    let error = try #require(throws: RBNError.self) { _ = try half.graph() }
    #expect(error.message == "computes in float16, not float32")
  }

  @Test func booleansAreNotSubtracted() throws {
    for (left, right) in [("c", "c"), ("x", "c"), ("c", "x")] {
      var p = ProgramBuilder()
      p.call("c", target: "gt.Scalar", ["self": "x", "other": 0])
      p.call("y", target: "sub.Tensor", ["self": .tensor(left), "other": .tensor(right)])
      p.output("y")
      let error = try #require(throws: RBNError.self) { _ = try p.graph() }
      #expect(error.code == .importUnsupportedArguments)
      #expect(error.message == "subtracts booleans")
    }
  }

  @Test func constantsAreLimitedTogether() throws {
    var context = ImportContext()
    #expect(context.constantBudget == 1 << 28)
    context.constantBudget = 100
    for _ in 0..<2 { _ = try context.constant([6], dtype: .bool) { _ in 1 } }
    #expect(context.constantBudget == 4)
    let error = try #require(throws: RBNError.self) {
      var full = context
      _ = try full.scalar(1)
    }
    #expect(error.code == .importUnsupportedArguments)
    #expect(error.message.contains("too large"))
  }

  @Test func recordedShapesAreCompared() throws {
    var p = ProgramBuilder()
    p.call("y", target: "relu.default", ["self": "x"])
    p.record("y", [.int(2), .int(4), .int(8), .int(9)], strides: [288, 72, 9, 1])
    p.output("y")
    let error = try #require(throws: RBNError.self) { _ = try p.graph() }
    #expect(error.code == .importShapes)
    #expect(error.message.contains("(2, 4, 8, 8)") && error.message.contains("(2, 4, 8, 9)"))
  }

  @Test func shapesThatNoOperatorTakesAreErrorsOfTheModel() throws {
    let error = try error("view.default", ["self": "x", "size": [3, -1]])
    #expect(error.code == .shapeMismatch)
    #expect(error.subject == .model)
    #expect(error.location?.hasPrefix("block, node y") == true)
  }

  @Test func interfacesOfOtherKindsAreRefused() throws {
    var p = ProgramBuilder()
    p.program.inputSpecs.append(.unsupported("custom_obj"))
    p.output("x")
    #expect(try #require(throws: RBNError.self) { _ = try p.graph() }.code == .importInterface)
    var scalar = ProgramBuilder()
    scalar.program.outputSpecs.append(.userOutput(.int(3)))
    #expect(try #require(throws: RBNError.self) { _ = try scalar.graph() }.code == .importInterface)
    #expect(try #require(throws: RBNError.self) { _ = try ProgramBuilder().graph() }.code == .importInterface)
  }

  @Test func sizesMayNotGrowWithoutBound() throws {
    var p = ProgramBuilder(dynamic: [2])
    p.call("s0", target: "sym_size.int", ["self": "x", "dim": 2])
    for level in 0..<40 {
      let previous = ExportedProgram.Argument.symInt(.name("s\(level)"))
      p.call("s\(level + 1)", target: "_operator.add", ["a": previous, "b": previous])
    }
    p.output("x")
    #expect(try #require(throws: RBNError.self) { _ = try p.graph() }.code == .importSymbolicSize)
  }

  @Test func onlyShapesMayDependOnSizes() throws {
    var p = ProgramBuilder(dynamic: [2])
    p.call("s", target: "sym_size.int", ["self": "x", "dim": 2])
    p.call("y", target: "div.Tensor", ["self": "x", "other": .symInt(.name("s"))])
    p.output("y")
    let error = try #require(throws: RBNError.self) { _ = try p.graph() }
    #expect(error.code == .importSymbolicSize)
    #expect(error.advice == "export with static height and width")
  }
}

@Suite struct ATenSignatureTests {
  @Test func everyLineIsASchema() {
    #expect(ATenSignatures.lines.count == ATenSignatures.table.count)
    #expect(ATenSignatures.lines.count > 80)
  }

  @Test func everyLoweringHasASchema() {
    #expect(Set(Lowerings.table.keys).subtracting(ATenSignatures.table.keys) == [])
    #expect(Set(ATenSignatures.table.keys).subtracting(Lowerings.table.keys) == [])
  }

  @Test func defaultsAreRead() throws {
    let pool = try #require(ATenSignatures.table["avg_pool2d.default"])
    #expect(
      pool.parameters.map(\.name) == [
        "self", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override",
      ])
    #expect(
      pool.parameters.map(\.fallback) == [
        nil, nil, .ints([]), .ints([0]), .bool(false), .bool(true), Optional(ExportedProgram.Argument.none),
      ])
    let conv = try #require(ATenSignatures.table["conv2d.padding"])
    #expect(conv.parameters[3].fallback == .ints([1, 1]))
    #expect(conv.parameters[4].fallback == .string("valid"))
  }

  @Test(arguments: ["relu.default", "relu(Tensor self", "f(Tenzor x)", "f(int)", "f(int a=b)"])
  func otherLinesAreNoSchemas(_ line: String) { #expect(ATenSignature(line[...]) == nil) }

  @Test func inPlaceTwinsAreFound() {
    #expect(Lowerings.find("torch.ops.aten.add_.Tensor")?.isInPlace == true)
    #expect(Lowerings.find("torch.ops.aten.add.Tensor")?.isInPlace == false)
    #expect(Lowerings.find("torch.ops.aten.conv2d_.default") == nil)
    #expect(Lowerings.find("add.Tensor") == nil)
  }
}
