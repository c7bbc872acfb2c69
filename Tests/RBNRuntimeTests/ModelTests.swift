import Foundation
import RBNRuntime
import Testing

@Suite struct ModelTests {
  /// Twenty layers in float32, each with a rounding error of a few units of 6e-8 relative to its largest values.
  private static let tolerance = 5e-6

  @Test(arguments: Fixtures.digitsFiles) func heldOutDigitsHaveTheLogitsOfPyTorch(file: String) async throws {
    let model = try Model(contentsOf: file)
    let held = try Fixtures.heldOut()
    let logits = try #require(held["logits"])
    let output = try await model.run(try #require(held["inputs"]))
    #expect(output.error(against: logits) < Self.tolerance)
    #expect(model.inputs.count == 1)
    #expect(model.inputs[0].shape[1...] == [1, nil, nil])
    #expect(model.outputs.count == 1)
  }

  @Test func anImageHasTheSameBitsAloneAndInABatchAndWithAnyNumberOfThreads() async throws {
    let inputs = try #require(try Fixtures.heldOut()["inputs"])
    let batch = try inputs.rows(0, 7)
    let reference = try await Model(contentsOf: Fixtures.digits).run(batch).floats
    for threads in [1, 2, 3, 5] {
      let model = try Model(contentsOf: Fixtures.digits, options: ModelOptions(threads: threads))
      #expect(try await model.run(batch).floats == reference, "\(threads) threads")
      for row in 0..<7 {
        let alone = try await model.run(try inputs.rows(row, 1)).floats
        #expect(alone == Array(reference[(row * 10)..<(row * 10 + 10)]), "row \(row), \(threads) threads")
      }
    }
  }

  @Test(arguments: ModelOptions.availableInstructionSets)
  func everyInstructionSetGivesTheLogitsOfPyTorch(name: String) async throws {
    var options = ModelOptions()
    options.instructionSet = name
    let held = try Fixtures.heldOut()
    let output = try await Model(contentsOf: Fixtures.digits, options: options).run(
      try #require(held["inputs"]))
    #expect(output.error(against: try #require(held["logits"])) < Self.tolerance)
  }

  @Test func passesOnlyChangeTheRounding() async throws {
    let held = try Fixtures.heldOut()
    for name in ModelOptions.passNames {
      var options = ModelOptions()
      options.disabledPasses = [name]
      let output = try await Model(contentsOf: Fixtures.digits, options: options).run(
        try #require(held["inputs"]))
      #expect(output.error(against: try #require(held["logits"])) < Self.tolerance, "without \(name)")
    }
  }

  @Test func manyTasksShareAModel() async throws {
    let model = try await Model.load(contentsOf: Fixtures.digits)
    let inputs = try #require(try Fixtures.heldOut()["inputs"])
    let expected = try await model.run(try inputs.rows(0, 64)).floats
    try await withThrowingTaskGroup(of: (Int, [Float]).self) { group in
      for row in 0..<64 {
        let input = try inputs.rows(row, 1)
        group.addTask { (row, try await model.run(input).floats) }
      }
      for try await (row, values) in group {
        #expect(values == Array(expected[(row * 10)..<(row * 10 + 10)]))
      }
    }
  }

  @Test func namedTensorsAreMatchedByName() async throws {
    let model = try Model(contentsOf: Fixtures.digits)
    let input = try #require(try Fixtures.heldOut()["inputs"]).rows(0, 2)
    let outputs = try await model.run([model.inputs[0].name: input])
    #expect(outputs[model.outputs[0]]?.floats == (try await model.run(input).floats))
    let error = await Fixtures.error { _ = try await model.run(["image": input]) }
    #expect(error?.code == .inputNames)
    #expect(error?.message.contains("image") == true)
  }

  @Test func aCancelledTaskEndsWithCancellationError() async throws {
    let model = try Model(contentsOf: Fixtures.digits)
    let inputs = try #require(try Fixtures.heldOut()["inputs"])
    let task = Task {
      // Cancelled before the call, whatever the scheduler does.
      while !Task.isCancelled { await Task.yield() }
      return try await model.run(inputs)
    }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test func wrongTensorsAreInputErrors() async throws {
    let model = try Model(contentsOf: Fixtures.digits)
    let cases: [(Tensor, RBNError.Code)] = [
      (try .zeros([1, 3, 8, 8]), RBNError.Code("graph.shape-mismatch")),
      (try .zeros([1, 1, 8]), RBNError.Code("graph.shape-mismatch")),
      (try .zeros([0, 1, 8, 8]), RBNError.Code("graph.shape-mismatch")),
      (try .zeros([1, 1, 8, 8], dtype: .int64), .unsupportedDType),
    ]
    for (tensor, code) in cases {
      let error = await Fixtures.error { _ = try await model.run(tensor) }
      #expect(error?.code == code, "\(tensor)")
      #expect(error?.subject == .input, "\(tensor)")
    }
    #expect(await Fixtures.error { _ = try await model.run([Tensor]()) }?.subject == .input)
  }

  @Test func memoryIsBounded() async throws {
    var options = ModelOptions()
    options.memoryLimit = 1000
    let model = try Model(contentsOf: Fixtures.digits, options: options)
    let error = await Fixtures.error { _ = try await model.run(try .zeros([1, 1, 8, 8])) }
    #expect(error?.code == RBNError.Code("execution.memory-limit"))
  }

  @Test func filesThatAreNoModelsAreNamed() async throws {
    let digits = Fixtures.path("digits/heldout.npz")
    let cases = [
      "/nowhere/model.pth", Fixtures.root.path, digits, Fixtures.path("digits/labels.txt"),
      Fixtures.path("README.md"),
    ]
    for path in cases {
      let error = await Fixtures.error { _ = try Model(contentsOf: path) }
      #expect(error?.subject == .model, "\(path)")
      #expect(error?.file == path, "\(path)")
      #expect(error?.message.isEmpty == false)
    }
  }

  @Test func optionsThatDoNotFitAreUsageErrors() async throws {
    var unknownSet = ModelOptions()
    unknownSet.instructionSet = "sse9"
    var unknownPass = ModelOptions()
    unknownPass.disabledPasses = ["fold-everything"]
    var noMemory = ModelOptions()
    noMemory.memoryLimit = 0
    let cases = [
      ModelOptions(threads: 0), ModelOptions(architecture: "resnet20"), ModelOptions(stateDictKey: "model"),
      unknownSet,
      unknownPass, noMemory,
    ]
    for options in cases {
      let error = await Fixtures.error { _ = try Model(contentsOf: Fixtures.digits, options: options) }
      #expect(error?.subject == .usage, "\(options)")
    }
    let checkpoint = Fixtures.path("digits/digits-rbn.pth")
    let unknown = await Fixtures.error {
      _ = try Model(contentsOf: checkpoint, options: ModelOptions(architecture: "resnet21"))
    }
    #expect(unknown?.subject == .usage)
    #expect(unknown?.advice?.contains("resnet20") == true)
    let other = await Fixtures.error {
      _ = try Model(contentsOf: checkpoint, options: ModelOptions(architecture: "resnet32"))
    }
    #expect(other?.subject == .model)
    #expect(other?.message.contains("layer1.3.conv1.weight") == true)
  }
}
