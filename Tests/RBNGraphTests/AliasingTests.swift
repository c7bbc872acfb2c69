import RBNFormats
import RBNTensor
import Testing

@testable import RBNGraph

/// Writes in place: every later reader of the storage sees the new value.
@Suite struct AliasingTests {
  @Test func theWrittenTensorAndItsResultAreOneValue() throws {
    var p = ProgramBuilder()
    p.call("y", target: "relu.default", ["self": "x"])
    p.call("before", target: "neg.default", ["self": "y"])
    p.call("z", target: "add_.Tensor", ["self": "y", "other": 1.0])
    p.call("a", target: "mul.Tensor", ["self": "y", "other": "z"])
    p.call("b", target: "add.Tensor", ["self": "a", "other": "before"])
    p.output("b")
    #expect(
      try p.graph().lines == [
        "y = relu(x)", "before = neg(y)", "z = add(y)", "a = mul(z, z)", "b = add(a, before)",
      ])
  }

  @Test func aViewSeesWritesToItsBase() throws {
    var p = ProgramBuilder()
    p.call("y", target: "relu.default", ["self": "x"])
    p.call("v", target: "view.default", ["self": "y", "size": [2, 4, -1]])
    p.call("w", target: "mul_.Tensor", ["self": "y", "other": 2.0])
    p.call("m", target: "mean.dim", ["self": "v", "dim": [-1]])
    p.output("m")
    #expect(try p.graph().opNames == ["relu", "mul", "reshape", "mean"])
  }

  @Test(arguments: [
    ("view.default", ExportedProgram.Argument.ints([2, 4, 64]), "size"),
    ("permute.default", .ints([0, 2, 3, 1]), "dims"), ("unsqueeze.default", .int(1), "dim"),
    ("flatten.using_ints", .int(2), "start_dim"), ("reshape.default", .ints([8, 64]), "shape"),
  ])
  func theBaseSeesWritesToAFullView(_ view: String, _ argument: ExportedProgram.Argument, _ name: String)
    throws
  {
    var p = ProgramBuilder()
    p.call("y", target: "relu.default", ["self": "x"])
    p.call("v", target: view, ["self": "y", name: argument])
    p.call("w", target: "sigmoid_.default", ["self": "v"])
    p.call("r", target: "neg.default", ["self": "y"])
    p.output("r")
    let graph = try p.graph()
    let there = view == "permute.default" ? "permute" : view.hasPrefix("flatten") ? "flatten" : "reshape"
    let back = view == "permute.default" ? "permute" : "reshape"
    #expect(graph.opNames == ["relu", there, "sigmoid", back, "neg"])
    #expect(try graph.outputShapes([2, 4, 8, 8]) == [[2, 4, 8, 8]])
    if let permute = graph.nodes[3].op as? Permute { #expect(permute.dims == [0, 3, 1, 2]) }
  }

  @Test func aWriteToOneChunkLeavesTheOtherAlone() throws {
    var p = ProgramBuilder()
    p.call("y", target: "relu.default", ["self": "x"])
    p.call("a", "b", target: "chunk.default", ["self": "y", "chunks": 2, "dim": 1])
    p.call("w", target: "add_.Tensor", ["self": "a", "other": "b"])
    p.call("c", target: "cat.default", ["tensors": .tensors(["a", "b"]), "dim": 1])
    p.output("c")
    #expect(
      try p.graph().lines == [
        "y = relu(x)", "a = slice(y)", "b = slice(y)", "w = add(a, b)", "c = cat(w, b)",
      ])
  }

  @Test func theBaseSeesAWriteToAChunk() throws {
    var p = ProgramBuilder()
    p.call("y", target: "relu.default", ["self": "x"])
    p.call("a", "b", target: "split.Tensor", ["self": "y", "split_size": 3, "dim": 1])
    p.call("w", target: "relu_.default", ["self": "b"])
    p.call("n", target: "neg.default", ["self": "y"])
    p.output("n")
    let graph = try p.graph()
    #expect(graph.opNames == ["relu", "slice", "relu", "slice", "cat", "neg"])
    let concat = graph.nodes[4]
    #expect(concat.inputs.map { $0.map { graph[$0].name } } == ["y.1", "w"])
    let kept = try #require(graph.nodes[3].op as? Slice)
    #expect(kept.attributes == Slice(dim: 1, start: 0, end: 3).attributes)
    #expect(try graph.outputShapes([2, 4, 8, 8]) == [[2, 4, 8, 8]])
  }

  @Test func aSelectedRowIsWrittenBack() throws {
    var p = ProgramBuilder()
    p.call("y", target: "relu.default", ["self": "x"])
    p.call("s", target: "select.int", ["self": "y", "dim": 1, "index": 1])
    p.call("w", target: "mul_.Tensor", ["self": "s", "other": 0.5])
    p.call("n", target: "neg.default", ["self": "y"])
    p.output("n")
    let graph = try p.graph()
    #expect(try graph.outputShapes([2, 4, 8, 8]) == [[2, 4, 8, 8]])
    let concat = try #require(graph.nodes.first { $0.op is Concat })
    #expect(concat.inputs.count == 3)
  }

  @Test func aWriteToAStridedSliceIsRefusedOnlyWhereItMatters() throws {
    var p = ProgramBuilder()
    p.call("y", target: "relu.default", ["self": "x"])
    p.call("s", target: "slice.Tensor", ["self": "y", "dim": 2, "step": 2])
    p.call("w", target: "relu_.default", ["self": "s"])
    var unread = p
    unread.output("w")
    #expect(try unread.graph().opNames == ["relu", "slice", "relu"])
    p.call("n", target: "neg.default", ["self": "y"])
    p.output("n")
    let error = try #require(throws: RBNError.self) { _ = try p.graph() }
    #expect(error.code == .importInPlace)
    #expect(error.location == "block, node n (torch.ops.aten.neg.default)")
  }

  @Test(arguments: ["clone.default", "_to_copy.default", "lift_fresh_copy.default"])
  func copiesDoNotSeeWrites(_ target: String) throws {
    var p = ProgramBuilder()
    p.call("y", target: "relu.default", ["self": "x"])
    p.call("c", target: target, ["self": "y"])
    p.call("w", target: "add_.Tensor", ["self": "y", "other": 1.0])
    p.call("r", target: "add.Tensor", ["self": "c", "other": "w"])
    p.output("r")
    #expect(try p.graph().lines == ["y = relu(x)", "c = alias(y)", "w = add(y)", "r = add(c, w)"])
  }

  @Test(arguments: [
    ("alias.default", []), ("detach.default", []), ("contiguous.default", []),
    ("dropout.default", [("p", ExportedProgram.Argument.float(0.5)), ("train", .bool(false))]),
  ])
  func aliasesSeeWrites(_ target: String, _ arguments: [(String, ExportedProgram.Argument)]) throws {
    var p = ProgramBuilder()
    p.call("y", target: "relu.default", ["self": "x"])
    p.call("c", target: target, [target.hasPrefix("dropout") ? "input" : "self": "y"])
    p.program.nodes[1].inputs += arguments.map { (name: $0.0, argument: $0.1) }
    p.call("w", target: "add_.Tensor", ["self": "y", "other": 1.0])
    p.call("r", target: "mul.Tensor", ["self": "c", "other": "c"])
    p.output("r")
    #expect(try p.graph().lines == ["y = relu(x)", "w = add(y)", "r = mul(w, w)"])
  }

  /// A permuted tensor has no contiguous elements: `contiguous` and `reshape` copy it.
  @Test func whetherReshapeCopiesDependsOnStrides() throws {
    for (target, arguments) in [("contiguous.default", []), ("reshape.default", [2, 256])] {
      var p = ProgramBuilder()
      p.call("y", target: "relu.default", ["self": "x"])
      p.call("t", target: "permute.default", ["self": "y", "dims": [0, 2, 3, 1]])
      p.record("t", [.int(2), .int(8), .int(8), .int(4)], strides: [256, 8, 1, 64])
      p.call("c", target: target, ["self": "t"])
      if !arguments.isEmpty { p.program.nodes[2].inputs.append((name: "shape", argument: .ints(arguments))) }
      p.call("w", target: "add_.Tensor", ["self": "y", "other": 1.0])
      p.call("r", target: "neg.default", ["self": "c"])
      p.output("r")
      #expect(try !p.graph().opNames.contains("add"))
    }
  }

  @Test func writesToInputsAreFunctional() throws {
    var p = ProgramBuilder()
    p.call("w", target: "add_.Tensor", ["self": "x", "other": 1.0])
    p.call("r", target: "neg.default", ["self": "x"])
    p.program.outputSpecs.append(.userInputMutation(argument: "w", input: "x"))
    p.output("r")
    let graph = try p.graph()
    #expect(graph.lines == ["w = add(x)", "r = neg(w)"])
    #expect(graph.outputs.map(\.name) == ["output"])
  }

  @Test func writesToParametersAreRefused() throws {
    var p = ProgramBuilder()
    try p.parameter("weight", [4, 1, 1])
    p.call("v", target: "view.default", ["self": "weight", "size": [1, 4, 1, 1]])
    p.call("w", target: "mul_.Tensor", ["self": "v", "other": 2.0])
    p.call("r", target: "mul.Tensor", ["self": "x", "other": "w"])
    p.output("r")
    let error = try #require(throws: RBNError.self) { _ = try p.graph() }
    #expect(error.code == .importParameterMutation)
    #expect(error.advice == "export the network in eval mode: model.eval()")
  }

  @Test func aCounterThatNothingReadsMayChange() throws {
    var p = ProgramBuilder()
    try p.buffer("count", [], dtype: .int64)
    p.call("n", target: "add_.Tensor", ["self": "count", "other": 1])
    p.call("r", target: "relu.default", ["self": "x"])
    p.program.outputSpecs.append(.bufferMutation(argument: "n", key: "net.count"))
    p.output("r")
    let graph = try p.graph()
    #expect(graph.lines == ["r = relu(x)"])
    #expect(graph.parameters.isEmpty)
  }

  @Test(arguments: [true, false])
  func aBufferThatOutputsDependOnMayNotChange(_ inPlace: Bool) throws {
    var p = ProgramBuilder()
    try p.buffer("average", [4, 1, 1])
    p.call("r", target: "add.Tensor", ["self": "x", "other": "average"])
    p.call("n", target: inPlace ? "add_.Tensor" : "add.Tensor", ["self": "average", "other": 1.0])
    if !inPlace { p.program.outputSpecs.append(.bufferMutation(argument: "n", key: "net.average")) }
    p.output("r")
    let error = try #require(throws: RBNError.self) { _ = try p.graph() }
    #expect(error.code == .importTrainingMode)
    #expect(error.message.contains("net.average"))
  }

  @Test func aWriteMayNotChangeTheShape() throws {
    var p = ProgramBuilder([1, 4, 1, 1])
    p.addInput([1, 4, 8, 8], name: "big")
    p.call("w", target: "add_.Tensor", ["self": "x", "other": "big"])
    p.output("w")
    let error = try #require(throws: RBNError.self) { _ = try p.graph() }
    #expect(error.code == .importInPlace)
  }
}
