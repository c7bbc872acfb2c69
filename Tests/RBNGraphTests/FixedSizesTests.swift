import RBNFormats
import RBNTensor
import Testing

@testable import RBNGraph

/// Which sizes a program that was exported with static shapes accepts.
@Suite struct FixedSizesTests {
  private func shape(
    _ shape: [Int] = [2, 4, 8, 8], dynamic: Set<Int> = [], _ body: (inout ProgramBuilder) throws -> Void
  ) throws -> [Int?] {
    var p = ProgramBuilder(shape, dynamic: dynamic)
    try body(&p)
    p.output("y")
    return try p.graph().inputs[0].shape
  }

  @Test func convolutionalNetworksAreFree() throws {
    let free = try shape {
      $0.call("a", target: "adaptive_avg_pool2d.default", ["self": "x", "output_size": [1, 1]])
      $0.call("y", target: "flatten.using_ints", ["self": "a", "start_dim": 1])
    }
    #expect(free == [nil, 4, nil, nil])
  }

  @Test(arguments: [[1, 4], [1, -1], [-1, 4]]) func aLiteralBatchIsFixed(_ sizes: [Int]) throws {
    let fixed = try shape([1, 4, 8, 8]) {
      $0.call("a", target: "mean.dim", ["self": "x", "dim": [2, 3]])
      $0.call("y", target: "view.default", ["self": "a", "size": .ints(sizes)])
    }
    #expect(fixed == [sizes[0] == -1 ? nil : 1, 4, nil, nil])
  }

  @Test func aBatchBySizeIsFree() throws {
    let free = try shape(dynamic: [0]) {
      $0.call("n", target: "sym_size.int", ["self": "x", "dim": 0])
      $0.call("a", target: "mean.dim", ["self": "x", "dim": [2, 3]])
      $0.call("y", target: "view.default", ["self": "a", "size": .symInts([.name("n"), .literal(4)])])
    }
    #expect(free == [nil, 4, nil, nil])
  }

  @Test func splitsOfHeightAndWidthAreFixed() throws {
    let window = try shape { $0.call("y", target: "view.default", ["self": "x", "size": [-1, 4, 4, 2, 8]]) }
    #expect(window == [nil, 4, 8, 8])
    let cells = try shape { $0.call("y", target: "view.default", ["self": "x", "size": [2, 4, -1, 16]]) }
    #expect(cells == [2, 4, 8, 8])
  }

  @Test func channelShufflesAreFree() throws {
    let free = try shape(dynamic: [2, 3]) {
      $0.call("h", target: "sym_size.int", ["self": "x", "dim": 2])
      $0.call("w", target: "sym_size.int", ["self": "x", "dim": 3])
      $0.call(
        "y", target: "view.default",
        ["self": "x", "size": .symInts([.literal(-1), .literal(2), .literal(2), .name("h"), .name("w")])])
    }
    #expect(free == [nil, 4, nil, nil])
  }

  @Test func classifiersOnWholeMapsAreFixed() throws {
    let fixed = try shape {
      try $0.parameter("w", [3, 256])
      $0.call("a", target: "flatten.using_ints", ["self": "x", "start_dim": 1])
      $0.call("y", target: "linear.default", ["input": "a", "weight": "w"])
    }
    #expect(fixed == [nil, 4, 8, 8])
  }

  @Test(arguments: ["avg_pool2d.default", "max_pool2d.default"])
  func poolingTheWholeMapByALiteralIsFixed(_ target: String) throws {
    #expect(
      try shape { $0.call("y", target: target, ["self": "x", "kernel_size": [8, 8]]) } == [nil, 4, 8, 8])
    #expect(
      try shape { $0.call("y", target: target, ["self": "x", "kernel_size": [3, 3]]) } == [nil, 4, nil, nil])
  }

  @Test func sumsAndSlicesOfTheMapAreFixed() throws {
    #expect(
      try shape { $0.call("y", target: "sum.dim_IntList", ["self": "x", "dim": [2, 3]]) } == [nil, 4, 8, 8])
    #expect(
      try shape { $0.call("y", target: "slice.Tensor", ["self": "x", "dim": 2, "end": 4]) } == [
        nil, 4, 8, nil,
      ])
    #expect(
      try shape { $0.call("y", target: "slice.Tensor", ["self": "x", "dim": 2, "step": 2]) }
        == [nil, 4, nil, nil])
    #expect(
      try shape { $0.call("y", target: "select.int", ["self": "x", "dim": 0, "index": 0]) } == [
        2, 4, nil, nil,
      ])
  }

  @Test func otherRanksKeepTheirSizes() throws {
    #expect(try shape([2, 7]) { $0.call("y", target: "relu.default", ["self": "x"]) } == [2, 7])
  }

  @Test func anotherSizeIsRefusedWithAdvice() throws {
    var p = ProgramBuilder([1, 4, 8, 8])
    p.call("y", target: "view.default", ["self": "x", "size": [1, 256]])
    p.output("y")
    let graph = try p.graph()
    let error = try #require(throws: RBNError.self) { _ = try graph.outputShapes([2, 4, 8, 8]) }
    #expect(error.message == "the network takes the shape (1, 4, 8, 8), got (2, 4, 8, 8)")
    #expect(error.advice?.contains("dynamic shapes") == true)
  }
}
