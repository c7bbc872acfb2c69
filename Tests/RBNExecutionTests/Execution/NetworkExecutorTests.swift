import RBNGraph
import RBNTensor
import Testing

@testable import RBNExecution

/// The executor against the float64 reference, in every configuration that must give the same numbers.
@Suite struct NetworkExecutorTests {
  /// Rounding accumulates over a handful of layers with terms of order 1; a wrong index or coefficient gives errors of order 0.1.
  private static let tolerance = 2e-5

  private func check(_ outputs: [Tensor], _ expected: [Tensor], _ label: String) {
    #expect(outputs.count == expected.count)
    for (output, truth) in zip(outputs, expected) {
      #expect(output.shape == truth.shape)
      let want = truth.doubles
      let scale = want.map(abs).max() ?? 1
      let worst = zip(output.doubles, want).map { abs($0 - $1) }.max() ?? 0
      #expect(worst <= Self.tolerance * max(scale, 1), "\(label): off by \(worst), largest value \(scale)")
    }
  }

  private func inputs(_ network: TestNetwork, _ shape: Shape) throws -> [Tensor] {
    var generator = SeededGenerator(99)
    return [try generator.tensor(shape, in: -2...2)]
  }

  @Test(arguments: try TestNetwork.all())
  func everyConfigurationAgreesWithTheReference(_ network: TestNetwork) throws {
    for shape in [network.graph.inputs[0].exampleShape] + network.shapes {
      let inputs = try inputs(network, shape)
      let expected = try ReferenceExecutor(graph: network.graph).run(inputs)
      for disabled in [[]] + PassPipeline.names.map({ [$0] }) + [PassPipeline.names] {
        for instructionSet in InstructionSet.available {
          var options = ExecutionOptions()
          options.disabledPasses = Set(disabled)
          options.instructionSet = instructionSet
          let executor = try NetworkExecutor(graph: network.graph, options: options)
          check(try executor.run(inputs), expected, "\(shape) without \(disabled) on \(instructionSet)")
        }
      }
    }
  }

  @Test(arguments: try TestNetwork.all(), MeanSource.allCases)
  func bothWaysToAMeanAgreeWithTheReference(_ network: TestNetwork, _ source: MeanSource) throws {
    for shape in [network.graph.inputs[0].exampleShape] + network.shapes {
      let inputs = try inputs(network, shape)
      let expected = try ReferenceExecutor(graph: network.graph).run(inputs)
      for instructionSet in InstructionSet.available {
        var options = ExecutionOptions()
        options.meanSource = source
        options.instructionSet = instructionSet
        let outputs = try [1, 3].map { threads in
          options.threads = threads
          return try NetworkExecutor(graph: network.graph, options: options).run(inputs)
        }
        check(outputs[0], expected, "\(shape) on \(instructionSet)")
        #expect(outputs[0].map(\.floats) == outputs[1].map(\.floats))
      }
    }
  }

  @Test(arguments: try TestNetwork.all())
  func theFusedGraphMeansTheSameToTheReference(_ network: TestNetwork) throws {
    let inputs = try inputs(network, network.graph.inputs[0].exampleShape)
    let expected = try ReferenceExecutor(graph: network.graph).run(inputs)
    var graph = network.graph
    for pass in PassPipeline.passes {
      try pass.run(&graph)
      check(try ReferenceExecutor(graph: graph).run(inputs), expected, "after \(pass.name)")
    }
  }

  @Test(arguments: try TestNetwork.all())
  func resultsDependNeitherOnThreadsNorOnTheBatch(_ network: TestNetwork) throws {
    let usesBatchStatistics = network.testDescription.contains("without running statistics")
    let shape = network.graph.inputs[0].exampleShape
    let one = try inputs(network, [1, shape[1], shape[2], shape[3]])[0]
    let three = try Tensor(
      shape: [3, shape[1], shape[2], shape[3]], scalars: one.floats + one.floats + one.floats)
    var results: [[Float]] = []
    for threads in 1...3 {
      var options = ExecutionOptions()
      options.threads = threads
      let executor = try NetworkExecutor(graph: network.graph, options: options)
      results.append(try executor.run([one]).flatMap(\.floats))
      guard !usesBatchStatistics else { continue }
      for (single, batch) in zip(try executor.run([one]), try executor.run([three])) {
        #expect(batch.floats == single.floats + single.floats + single.floats)
      }
    }
    #expect(results.dropFirst().allSatisfy { $0 == results[0] })
  }

  @Test func weightsAreHeldOnceAsTheKernelsReadThem() throws {
    let network = try TestNetwork.all()[0]
    let executor = try NetworkExecutor(graph: network.graph)
    #expect(!network.graph.parameters.isEmpty && executor.weightByteCount > 0)
    #expect(executor.graph.parameters.isEmpty && executor.sourceGraph.parameters.isEmpty)
    // Their types stay, for shapes that come later.
    let shapes = network.graph.inputs.map(\.exampleShape)
    let types = try executor.graph.inferTypes(inputShapes: shapes)
    #expect(executor.graph.outputs.allSatisfy { types[$0.value.index] != nil })
  }

  @Test func recognisesRBNHoweverItIsWritten() throws {
    for network in try TestNetwork.all().prefix(2) {
      let executor = try NetworkExecutor(graph: network.graph)
      let affine = executor.graph.nodes.compactMap {
        $0.op as? InstanceAffine ?? ($0.op as? FusedConv2d)?.affine
      }
      #expect(affine.count == 5, "\(network.testDescription)")
      #expect(affine.allSatisfy { $0.hasMean && $0.hasSigmoid })
      #expect(!executor.graph.nodes.contains { $0.op is Reduction || $0.op is BatchNorm })
    }
  }

  @Test func recognisesActivationsHoweverTheyAreWritten() throws {
    let network = try #require(
      try TestNetwork.all().first { $0.testDescription == "spelled out activations" })
    var graph = network.graph
    try RecognizeActivations.run(&graph)
    let functions = graph.nodes.compactMap { ($0.op as? Unary)?.function }
    #expect(
      functions == [
        .hardswish, .hardswish, .silu, .hardsigmoid, .clamp(min: 0, max: 5), .clamp(min: 0, max: 6), .sigmoid,
      ])
    let executor = try NetworkExecutor(graph: network.graph)
    #expect(executor.graph.nodes.count { ($0.op as? FusedConv2d)?.affine?.hasMean == true } == 4)
  }

  @Test func recognisesAChannelShuffle() throws {
    let network = try #require(try TestNetwork.all().first { $0.testDescription == "channel shuffle" })
    let executor = try NetworkExecutor(graph: network.graph)
    #expect(executor.graph.nodes.count { $0.op is ChannelShuffle } == 1)
    #expect(!executor.graph.nodes.contains { $0.op is Permute || $0.op is Reshape })
  }

  @Test func foldsBatchNormAway() throws {
    let executor = try NetworkExecutor(graph: try TestNetwork.all()[2].graph)
    #expect(executor.graph.nodes.allSatisfy { !($0.op is BatchNorm) && !($0.op is InstanceAffine) })
  }

  @Test func manyCallsAtOnceGiveTheSameResult() async throws {
    let network = try TestNetwork.all()[0]
    let executor = try NetworkExecutor(graph: network.graph)
    let inputs = try inputs(network, network.graph.inputs[0].exampleShape)
    let expected = try executor.run(inputs)[0].floats
    try await withThrowingTaskGroup(of: [Float].self) { group in
      for _ in 0..<16 { group.addTask { try executor.run(inputs)[0].floats } }
      for try await result in group { #expect(result == expected) }
    }
  }

  @Test func refusesWrongShapesAndTooLittleMemory() throws {
    let network = try TestNetwork.all()[0]
    let executor = try NetworkExecutor(graph: network.graph)
    for shape in [[1, 4, 16, 16], [3, 16, 16], [0, 3, 16, 16]] as [Shape] {
      #expect { try executor.run([try .zeros(shape)]) } throws: { ($0 as? RBNError)?.code == .shapeMismatch }
    }
    #expect { try executor.run([]) } throws: { ($0 as? RBNError)?.code == .shapeMismatch }
    var options = ExecutionOptions()
    options.memoryLimit = 1000
    let small = try NetworkExecutor(graph: network.graph, options: options)
    #expect { try small.run([try .zeros([1, 3, 64, 64])]) } throws: {
      ($0 as? RBNError)?.code == .memoryLimit
    }
    options.disabledPasses = ["no-such-pass"]
    #expect { try NetworkExecutor(graph: network.graph, options: options) } throws: {
      ($0 as? RBNError)?.code == .unknownPass
    }
  }

  @Test func stopsWhenCancelled() throws {
    let network = try TestNetwork.all()[0]
    let executor = try NetworkExecutor(graph: network.graph)
    var asked = 0
    #expect(throws: CancellationError.self) {
      try executor.run(try inputs(network, network.graph.inputs[0].exampleShape)) {
        asked += 1
        return asked > 3
      }
    }
    #expect(asked == 4)
  }

  @Test func observesEveryNodeOfTheUnfusedGraph() throws {
    let network = try TestNetwork.all()[1]
    let inputs = try inputs(network, network.graph.inputs[0].exampleShape)
    let observed = try NetworkExecutor.runObserving(graph: network.graph, inputs)
    #expect(observed.values.map(\.name) == network.graph.nodes.map(\.name))
    let expected = try ReferenceExecutor(graph: network.graph).run(inputs)
    check(observed.outputs, expected, "observed")
  }
}

@Suite struct MemoryPlanTests {
  @Test func buffersAliveTogetherNeverOverlap() throws {
    var generator = SeededGenerator(5)
    for _ in 0..<50 {
      let buffers = (0..<40).map { _ in
        let start = Int.random(in: 0..<30, using: &generator)
        return MemoryPlan.Buffer(
          byteCount: Int.random(in: 0...5000, using: &generator),
          lifetime: start...(start + Int.random(in: 0...6, using: &generator)))
      }
      let plan = try MemoryPlan(buffers, limit: .max)
      for i in buffers.indices {
        #expect(plan.offsets[i] % 64 == 0 && plan.offsets[i] + buffers[i].byteCount <= plan.byteCount)
        for j in 0..<i where buffers[i].lifetime.overlaps(buffers[j].lifetime) {
          let apart =
            plan.offsets[i] + buffers[i].byteCount <= plan.offsets[j]
            || plan.offsets[j] + buffers[j].byteCount <= plan.offsets[i]
          #expect(apart)
        }
      }
    }
  }

  @Test func memoryIsReused() throws {
    let chain = (0..<10).map { MemoryPlan.Buffer(byteCount: 6400, lifetime: $0...($0 + 1)) }
    #expect(try MemoryPlan(chain, limit: .max).byteCount == 12800)
  }
}
