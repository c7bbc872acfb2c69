import RBNGraph
import RBNTensor
import Testing

@testable import RBNExecution

/// Graphs that a file can hold and no ordinary network is: right, or refused.
@Suite struct GraphEdgeCaseTests {
  private let module = ModuleCall("")

  private func expectAgreement(_ graph: Graph, _ inputs: [Tensor]) throws {
    let expected = try ReferenceExecutor(graph: graph).run(inputs)
    let outputs = try NetworkExecutor(graph: graph).run(inputs)
    for (output, truth) in zip(outputs, expected) {
      #expect(output.shape == truth.shape)
      let worst = zip(output.doubles, truth.doubles).map { abs($0 - $1) }.max() ?? 0
      #expect(worst <= 2e-5, "off by \(worst)")
    }
  }

  private func tensor(_ shape: Shape, seed: UInt64 = 1) throws -> Tensor {
    var generator = SeededGenerator(seed)
    return try generator.tensor(shape)
  }

  /// (N, C) is broadcast along W of (N, C, H, W), which a per-channel form would get wrong.
  @Test func vectorsAreNotBroadcastAlongChannels() throws {
    for function in [Binary.Function.add, .mul] {
      var net = NetworkWriter(seed: 1)
      let x = net.input([1, 5, 5, 5])
      let mean = net.graph.append(Reduction(.mean, dims: [2, 3], keepdim: false), [x], module: module)
      net.output(net.graph.append(Binary(function), [x, mean], module: module))
      try expectAgreement(net.graph, [tensor([1, 5, 5, 5])])
    }
  }

  /// An addition that broadcasts at other sizes than the example's is no residual.
  @Test func residualsHaveOneShapeAtEverySize() throws {
    var net = NetworkWriter(seed: 2)
    let x = net.input([1, 4, 6, 6])
    let first = net.graph.append(Slice(dim: 0, start: 0, end: 1, step: 1), [x], module: module)
    let other = net.unary("relu", .relu, first)
    net.output(net.add(try net.conv("conv", x, 4, 4), other))
    for batch in 1...3 { try expectAgreement(net.graph, [tensor([batch, 4, 6, 6])]) }
  }

  /// A parameter that an operator reads as activations are laid out, and that is an output besides.
  @Test func aConstantImageIsGivenAsItIs() throws {
    var net = NetworkWriter(seed: 7)
    let x = net.input([1, 3, 4, 5])
    let image = try net.parameter("image", [1, 3, 4, 5])
    let pooled = net.graph.append(MaxPool2d(PoolWindow(kernel: 2, stride: 1)), [image], module: module)
    net.output(net.add(x, image))
    net.output(image, "image")
    net.output(pooled, "pooled")
    for disabled in [[], PassPipeline.names] {
      var options = ExecutionOptions()
      options.disabledPasses = Set(disabled)
      let outputs = try NetworkExecutor(graph: net.graph, options: options).run([tensor([1, 3, 4, 5])])
      let expected = try ReferenceExecutor(graph: net.graph).run([tensor([1, 3, 4, 5])])
      #expect(outputs.map(\.floats) == expected.map(\.floats))
    }
  }

  @Test func valuesWithoutElements() throws {
    var net = NetworkWriter(seed: 3)
    let x = net.input([2, 3, 4, 5])
    let empty = net.graph.append(Slice(dim: 2, start: 0, end: 0, step: 1), [x], module: module)
    let column = try net.parameter("column", [1, 3, 1, 1])
    let row = try net.parameter("row", [5])
    let sum = net.add(net.add(empty, column), row)
    net.output(net.graph.append(Concat(dim: 2), [net.unary("relu", .relu, sum), x], module: module))
    let flat = net.graph.append(Flatten(startDim: 1), [x], module: module)
    let none = net.graph.append(Slice(dim: 0, start: 0, end: 0, step: 1), [flat], module: module)
    let weight = try net.parameter("weight", [7, 60])
    let product = net.graph.append(Linear(), [none, weight, nil], module: module)
    let whole = net.graph.append(Linear(), [flat, weight, nil], module: module)
    net.output(net.graph.append(Concat(dim: 0), [product, whole], module: module), "linear")
    let noImage = net.graph.append(Slice(dim: 0, start: 0, end: 0, step: 1), [x], module: module)
    let convolved = try net.conv("conv", noImage, 3, 2)
    let all = try net.conv("conv2", x, 3, 2)
    net.output(net.graph.append(Concat(dim: 0), [convolved, all], module: module), "conv")
    try expectAgreement(net.graph, [tensor([2, 3, 4, 5])])
  }

  @Test func inputsThatAnOperatorDoesNotHaveAreNotRead() throws {
    var net = NetworkWriter(seed: 4)
    let x = net.input([1, 3, 20, 20])
    let y = try net.conv("conv", x, 3, 8)
    let index = net.graph.nodes.count - 1
    net.graph.nodes[index].inputs.append(try net.parameter("small", [1, 1, 1, 1]))
    net.output(y)
    try expectAgreement(net.graph, [tensor([1, 3, 20, 20])])
  }

  @Test func declaredSizesAreCheckedBeforeTheyAreUsed() throws {
    for (channels, isRefused) in [(1 << 50, true), (1 << 30, false)] {
      var graph = Graph()
      let shape: Shape = [1, channels, 1, 1]
      let x = graph.addInput("x", shape: shape.map { $0 }, exampleShape: shape)
      var y = x
      for _ in 0..<40 { y = graph.append(Binary(.mul, scalar: 2), [y], module: module) }
      graph.outputs = [.init(name: "y", value: y)]
      if isRefused {
        #expect { try NetworkExecutor(graph: graph) } throws: { ($0 as? RBNError)?.code == .memoryLimit }
      } else {
        let executor = try NetworkExecutor(graph: graph)
        #expect { try executor.plan(for: [[1, channels << 12, 1, 1]]) } throws: {
          ($0 as? RBNError)?.code == .shapeMismatch
        }
      }
    }
  }

  /// What is folded is bounded together, not one by one.
  @Test func foldedConstantsAreBounded() throws {
    var graph = Graph()
    let x = graph.addInput("x", shape: [1], exampleShape: [1])
    let number = graph.addParameter(try Tensor(shape: [1], scalars: [-1]), suggestedKey: "number")
    let sizes = [SizeExpression.literal(1 << 10), .literal(1 << 10)]
    var y = graph.append(Expand(sizes: sizes), [number], module: module)
    for _ in 0..<24 { y = graph.append(Unary(.neg), [y], module: module) }
    let sum = graph.append(Reduction(.sum, dims: [0, 1], keepdim: false), [y], module: module)
    graph.outputs = [.init(name: "y", value: graph.append(Binary(.add), [x, sum], module: module))]
    var folded = graph
    try FoldConstants.run(&folded)
    #expect(folded.parameters.values.reduce(0) { $0 + $1.count } <= (1 << 24) + 1)
    let output = try NetworkExecutor(graph: graph).run([try Tensor(shape: [1], scalars: [0.5])])
    #expect(output[0].floats == [-1_048_576 + 0.5])
  }

  @Test func largeWindowsAreWalkedInsideTheImageOnly() throws {
    var window = PoolWindow(kernel: 1 << 20, stride: 1, padding: 1 << 19)
    window.dilation = [1, 1]
    let image = ReferenceTensor(try Tensor(shape: [1, 1, 1, 1], scalars: [3]))
    let pooled = try MaxPool2d(window).evaluate([image])[0]
    #expect(pooled.shape == [1, 1, 2, 2] && pooled.values == [3, 3, 3, 3])
    window = PoolWindow(kernel: 3, stride: 1, padding: 1)
    window.dilation = [2, 2]
    let row = ReferenceTensor(try Tensor(shape: [1, 1, 1, 6], scalars: [0, 5, 1, 4, 2, 3]))
    // Rows −1 and 1 are padding; columns p − 1, p + 1 and p + 3.
    #expect(throws: RBNError.self) { try MaxPool2d(window).evaluate([row]) }
    window.padding = [1, 1]
    let tall = ReferenceTensor(try Tensor(shape: [1, 1, 3, 3], scalars: [9, 1, 2, 3, 4, 5, 6, 7, 8]))
    #expect(try MaxPool2d(window).evaluate([tall])[0].values == [4])
  }

  /// Each an operator and inputs that it must refuse.
  @Test func whatOperatorsRefuse() throws {
    func refuses(_ op: any Operator, _ types: TensorType..., code: RBNError.Code = .shapeMismatch) {
      #expect("\(op.name)") { try op.inferTypes(types) } throws: { ($0 as? RBNError)?.code == code }
    }
    let image = TensorType([1, 1, 4, 4])
    for factor in [1e-300, 1e-9, 1e9, .infinity, .nan] {
      refuses(
        Upsample2d(.bilinear, outputSize: [.literal(2), .literal(2)], scaleFactors: [factor, 1]), image,
        code: .invalidAttribute)
    }
    refuses(Pad(pad: [1, 1], value: 0.5), TensorType([1, 4], .int64))
    refuses(Unary(.pow(exponent: -1)), TensorType([1, 4], .int64))
    refuses(IndexSelect(dim: 0), TensorType([1 << 25]), TensorType([2], .int64))
    let tokens = TensorType([1, 4, 8])
    refuses(ScaledDotProductAttention(), tokens, tokens, tokens, TensorType([4, 4], .bool))
    #expect(try IndexSelect(dim: 0).position(-0.5, size: 4) == 0)
    #expect(try IndexSelect(dim: 0).position(-4, size: 4) == 0)
    #expect { try IndexSelect(dim: 0).position(4, size: 4) } throws: { $0 is RBNError }
    var graph = Graph()
    let x = graph.addInput("x", shape: [1], exampleShape: [1])
    let ones = [SizeExpression](repeating: .literal(1), count: 65)
    graph.outputs = [.init(name: "y", value: graph.append(Reshape(sizes: ones), [x], module: module))]
    #expect { try graph.inferTypes(inputShapes: [[1]]) } throws: { ($0 as? RBNError)?.code == .shapeMismatch }
  }

  /// Elements that padding would mirror and that are cropped: refused, never what memory happened to hold.
  @Test func paddingThatMirrorsWhatItCrops() throws {
    var net = NetworkWriter(seed: 5)
    let x = net.input([1, 1, 1, 3])
    net.output(net.graph.append(Pad(pad: [-3, 2], mode: .replicate), [x], module: module))
    let executor = try NetworkExecutor(graph: net.graph)
    #expect { try executor.run([try tensor([1, 1, 1, 3])]) } throws: {
      ($0 as? RBNError)?.code == .unsupportedOperator
    }
  }

  /// A weight that is computed from parameters, observed layer by layer as `verify` does.
  @Test func computedWeightsCanBeObserved() throws {
    var net = NetworkWriter(seed: 6)
    let x = net.input([1, 2, 5, 5])
    let direction = try net.parameter("direction", [3, 2, 3, 3])
    let weight = net.graph.append(Binary(.mul, scalar: 0.5), [direction], module: module)
    net.output(net.graph.append(Conv2d(stride: 1, padding: 1, groups: 1), [x, weight, nil], module: module))
    let input = try tensor([1, 2, 5, 5])
    let observed = try NetworkExecutor.runObserving(graph: net.graph, [input])
    let expected = try ReferenceExecutor(graph: net.graph).run([input])
    #expect(zip(observed.outputs[0].doubles, expected[0].doubles).allSatisfy { abs($0 - $1) < 1e-5 })
  }
}
