import Dispatch
import Foundation
import RBNExecution
import RBNGraph
import Logging
import Metrics
import MetricsTestKit
import ServiceLifecycle
import Testing

@testable import RBNRuntime

@Suite struct BatchingPredictorTests {
  private static func predictor(
    _ path: String = Fixtures.digits, options: ModelOptions = ModelOptions(), metrics: TestMetrics? = nil,
    calls: CallQueue = .shared, _ change: (inout BatchingPredictor.Configuration) -> Void = { _ in }
  ) async throws -> BatchingPredictor {
    var configuration = BatchingPredictor.Configuration()
    configuration.metricsFactory = metrics
    change(&configuration)
    return try await BatchingPredictor(
      model: try await Model.load(contentsOf: path, options: options), configuration: configuration,
      calls: calls)
  }

  /// Runs `body` while no call of `calls`, which runs one at a time, can begin.
  private static func whileBusy<Result>(
    _ calls: CallQueue, _ body: () async throws -> Result
  ) async throws -> Result {
    let gate = DispatchSemaphore(value: 0)
    let (started, starting) = AsyncStream.makeStream(of: Void.self)
    let blocker = Task {
      try await calls.run { _ in
        starting.yield()
        gate.wait()
      }
    }
    var iterator = started.makeAsyncIterator()
    _ = await iterator.next()
    do {
      let result = try await body()
      gate.signal()
      try await blocker.value
      return result
    } catch {
      gate.signal()
      throw error
    }
  }

  private static func waitUntil(_ condition: () -> Bool) async throws {
    for _ in 0..<5000 where !condition() { try await Task.sleep(for: .milliseconds(2)) }
    #expect(condition())
  }

  // MARK: Results

  @Test func requestsThatRideTogetherGetTheBitsTheyWouldHaveAlone() async throws {
    let metrics = TestMetrics()
    let predictor = try await Self.predictor(metrics: metrics) { $0.largestBatch = 16 }
    #expect(predictor.soloReason == nil)
    let inputs = try #require(try Fixtures.heldOut()["inputs"])
    // One to three rows each, so that batches are made of unequal parts.
    let parts = try (0..<100).map { try inputs.rows($0 * 3, 1 + $0 % 3) }
    let expected = try await parts.asyncMap { try await predictor.model.run($0).floats }
    let results = try await withThrowingTaskGroup(of: (Int, [Float]).self) { group in
      for (index, part) in parts.enumerated() {
        group.addTask { (index, try await predictor.predict(part).floats) }
      }
      return try await group.reduce(into: [Int: [Float]]()) { $0[$1.0] = $1.1 }
    }
    for (index, values) in expected.enumerated() { #expect(results[index] == values, "request \(index)") }
    let rows = try metrics.expectRecorder("rbn_batch_rows", [("model", Fixtures.digits)]).values
    #expect(rows.reduce(0, +) == Double(parts.reduce(0) { $0 + $1.shape[0] }))
    #expect(rows.contains { $0 > 3 }, "no requests rode together: \(rows)")
    #expect(rows.allSatisfy { $0 <= 16 })
    #expect(
      metrics.counterTotal(
        label: "rbn_predictions_total", dimensions: [("model", Fixtures.digits), ("outcome", "success")])
        == 100)
  }

  @Test func integersAndBooleansRideTogether() async throws {
    // The double of x, and whether flag is set or x > 0.
    var graph = Graph()
    let x = graph.addInput("x", dtype: .int64, shape: [nil, 3], exampleShape: [2, 3])
    let flag = graph.addInput("flag", dtype: .bool, shape: [nil, 3], exampleShape: [2, 3])
    let doubled = graph.append(Binary(.add), [x, x], module: ModuleCall(""))
    let isPositive = graph.append(Binary(.greater, scalar: 0), [x], module: ModuleCall(""))
    let either = graph.append(Binary(.logicalOr), [flag, isPositive], module: ModuleCall(""))
    graph.outputs = [
      Graph.Output(name: "doubled", value: doubled), Graph.Output(name: "either", value: either),
    ]
    let file = NetworkFile(path: "integers", format: .exportedProgram, graph: graph, stateDict: [])
    let model = try Model(file, ExecutionOptions())
    #expect(model.outputDescriptions.map(\.summary) == ["doubled int64 (any, 3)", "either bool (any, 3)"])
    let calls = CallQueue(limit: 1)
    let predictor = try await BatchingPredictor(model: model, configuration: .init(), calls: calls)
    #expect(predictor.soloReason == nil)
    func tensor(_ values: [Float], _ dtype: DType) throws -> Tensor {
      try Tensor(shape: [1, 3], scalars: values).converted(to: dtype)
    }
    // One that float32 does not hold exactly is refused, and those that ride with it are not.
    let large = try Tensor(shape: [1, 3], dtype: .int64) { bytes in
      for (index, value) in [1, 16_777_217, 2].enumerated() {
        bytes.storeBytes(of: Int64(value), toByteOffset: index * 8, as: Int64.self)
      }
    }
    let inputs = [try tensor([-7, 0, 5], .int64), large, try tensor([8_388_608, 1, -1], .int64)]
    let flags = try tensor([1, 0, 0], .bool)
    let tasks = try await Self.whileBusy(calls) {
      let tasks = ([inputs[0]] + inputs).map { input in
        Task { try await predictor.predict([input, flags]) }
      }
      try await Self.waitUntil { predictor.queueLength == 3 }
      return tasks
    }
    let results = await tasks.asyncMapResults { try await $0.value.map(\.doubles) }
    #expect(results[1] == [[-14, 0, 10], [1, 0, 1]])
    #expect(results[2] == nil)
    #expect(results[3] == [[16_777_216, 2, -2], [1, 1, 0]])
    let error = await Fixtures.error {
      _ = try await predictor.predict([try inputs[0].converted(to: .float32), flags])
    }
    #expect(error?.code == .unsupportedDType)
  }

  @Test func requestsOfOtherSizesRunApart() async throws {
    let predictor = try await Self.predictor()
    let small = try #require(try Fixtures.heldOut()["inputs"]).rows(0, 2)
    let large = try Tensor(shape: [1, 1, 16, 12], scalars: (0..<192).map { Float($0 % 17) / 17 })
    let alone = (try await predictor.model.run(small).floats, try await predictor.model.run(large).floats)
    async let first = predictor.predict(small)
    async let second = predictor.predict(large)
    async let third = predictor.predict(small)
    let results = try await [first, second, third].map(\.floats)
    #expect(results == [alone.0, alone.1, alone.0])
  }

  @Test func aNetworkThatMixesTheRowsOfABatchRunsRequestsOneByOne() async throws {
    let predictor = try await Self.predictor(Fixtures.path("blocks/batch-centering.pt2"))
    #expect(predictor.soloReason == "an image's result depends on what else is in the batch")
    let shape = Shape([1] + (predictor.model.inputs[0].shape.dropFirst().map { $0 ?? 8 }))
    let inputs = try (0..<12).map { index in
      try Tensor(
        shape: shape, scalars: (0..<(try shape.elementCount())).map { Float(($0 + index * 7) % 13) / 13 })
    }
    let expected = try await inputs.asyncMap { try await predictor.model.run($0).floats }
    let results = try await withThrowingTaskGroup(of: (Int, [Float]).self) { group in
      for (index, input) in inputs.enumerated() {
        group.addTask { (index, try await predictor.predict(input).floats) }
      }
      return try await group.reduce(into: [Int: [Float]]()) { $0[$1.0] = $1.1 }
    }
    for (index, values) in expected.enumerated() { #expect(results[index] == values, "request \(index)") }
  }

  @Test func aModelOfFixedBatchSizeRunsRequestsOneByOne() async throws {
    let predictor = try await Self.predictor(Fixtures.path("blocks/spelling-mean-view.pt2"))
    #expect(predictor.soloReason?.contains("is fixed") ?? false)
  }

  @Test func aBatchThatNeedsTooMuchMemoryRunsOneByOne() async throws {
    // Each request fits the limit, two together don't.
    let input = try Tensor(shape: [1, 1, 48, 48], scalars: (0..<2304).map { Float($0 % 29) / 29 })
    let model = try await Model.load(contentsOf: Fixtures.digits)
    let arena = try model.executor.plan(for: [input.shape]).arenaByteCount
    var options = ModelOptions()
    options.memoryLimit = arena + arena / 2
    let calls = CallQueue(limit: 1)
    let metrics = TestMetrics()
    let predictor = try await Self.predictor(options: options, metrics: metrics, calls: calls) {
      $0.name = "digits"
      $0.version = "7"
    }
    #expect(predictor.soloReason == nil)
    let expected = try await model.run(input).floats
    let tasks = try await Self.whileBusy(calls) {
      let tasks = (0..<5).map { _ in Task { try await predictor.predict(input).floats } }
      try await Self.waitUntil { predictor.queueLength == 4 }
      return tasks
    }
    for task in tasks { #expect(try await task.value == expected) }
    // What is reported is what ran.
    let dimensions = [("model", "digits"), ("version", "7")]
    #expect(try metrics.expectRecorder("rbn_batch_rows", dimensions).values == [1, 1, 1, 1, 1])
    #expect(try metrics.expectTimer("rbn_compute_seconds", dimensions).values.count == 5)
  }

  @Test func wrongInputsAreRefusedBeforeTheyJoinOthers() async throws {
    let predictor = try await Self.predictor()
    let row = try #require(try Fixtures.heldOut()["inputs"]).rows(0, 1)
    let wrong: [[Tensor]] = [
      [], [row, row], [try row.reshaped(to: [1, 64])], [try Tensor.zeros([1, 2, 8, 8])],
      [try Tensor.zeros([0, 1, 8, 8])], [try Tensor.zeros([1, 1, 8, 8], dtype: .int32)],
    ]
    for inputs in wrong {
      let error = await Fixtures.error { _ = try await predictor.predict(inputs) }
      #expect(error != nil, "\(inputs)")
    }
    #expect(try await predictor.predict(row).shape == [1, 10])
  }

  // MARK: Limits

  @Test func aFullQueueRefusesAtOnce() async throws {
    let metrics = TestMetrics()
    let calls = CallQueue(limit: 1)
    let predictor = try await Self.predictor(metrics: metrics, calls: calls) { configuration in
      configuration.queueLimit = 3
      configuration.name = "digits"
    }
    let row = try #require(try Fixtures.heldOut()["inputs"]).rows(0, 1)
    let tasks = try await Self.whileBusy(calls) {
      // One that runs, as far as it can, and three that wait.
      var tasks = [Task { try await predictor.predict(row) }]
      try await Self.waitUntil {
        (try? metrics.expectTimer("rbn_queue_seconds", [("model", "digits")]).values.count) == 1
      }
      tasks += (0..<3).map { _ in Task { try await predictor.predict(row) } }
      try await Self.waitUntil { predictor.queueLength == 3 }
      let error = await Fixtures.error { _ = try await predictor.predict(row) }
      #expect(error?.code == .queueFull)
      #expect(throws: RBNError.self) { try predictor.checkQueue() }
      #expect(try metrics.expectMeter("rbn_queue_length", [("model", "digits")]).values.last == 3)
      return tasks
    }
    for task in tasks { #expect(try await task.value.shape == [1, 10]) }
    #expect(
      metrics.counterTotal(
        label: "rbn_predictions_total", dimensions: [("model", "digits"), ("outcome", "queue_full")]) == 2)
  }

  @Test func aRequestEndsAtItsDeadlineWhetherItWaitsOrRuns() async throws {
    let calls = CallQueue(limit: 1)
    let predictor = try await Self.predictor(calls: calls)
    let row = try #require(try Fixtures.heldOut()["inputs"]).rows(0, 1)
    let late = await Fixtures.error { _ = try await predictor.predict(row, deadline: .now - .seconds(1)) }
    #expect(late?.code == .deadlineExceeded)
    try await Self.whileBusy(calls) {
      await withTaskGroup(of: RBNError?.self) { group in
        // The first is a batch that runs; the others wait for it.
        for _ in 0..<4 {
          group.addTask {
            await Fixtures.error { _ = try await predictor.predict(row, deadline: .now + .milliseconds(40)) }
          }
        }
        for await error in group { #expect(error?.code == .deadlineExceeded) }
      }
      #expect(predictor.queueLength == 0)
    }
    #expect(try await predictor.predict(row, deadline: .now + .seconds(60)).shape == [1, 10])
  }

  @Test func aCancelledRequestEndsAtOnceAndTheOthersDont() async throws {
    let calls = CallQueue(limit: 1)
    let predictor = try await Self.predictor(calls: calls)
    let row = try #require(try Fixtures.heldOut()["inputs"]).rows(0, 1)
    let others = try await Self.whileBusy(calls) {
      let running = Task { try await predictor.predict(row) }
      try await Task.sleep(for: .milliseconds(30))
      let waiting = Task { try await predictor.predict(row) }
      let other = Task { try await predictor.predict(row) }
      try await Self.waitUntil { predictor.queueLength == 2 }
      running.cancel()
      waiting.cancel()
      await #expect(throws: CancellationError.self) { try await running.value }
      await #expect(throws: CancellationError.self) { try await waiting.value }
      return [other]
    }
    for other in others { #expect(try await other.value.shape == [1, 10]) }
    let cancelled = Task {
      try? await Task.sleep(for: .seconds(60))
      return try await predictor.predict(row)
    }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
  }

  @Test func configurationsThatCantBeAreRefused() async throws {
    let changes: [@Sendable (inout BatchingPredictor.Configuration) -> Void] = [
      { $0.largestBatch = 0 }, { $0.queueLimit = 0 }, { $0.longestWait = .seconds(-1) },
      { $0.concurrentBatches = 0 },
    ]
    for change in changes {
      let error = await Fixtures.error { _ = try await Self.predictor(Fixtures.digits, change) }
      #expect(error?.code == .invalidOption)
    }
  }

  // MARK: Shutdown

  @Test func asAServiceItEndsWhenTheAcceptedRequestsHave() async throws {
    let predictor = try await Self.predictor { $0.longestWait = .seconds(3600) }
    let row = try #require(try Fixtures.heldOut()["inputs"]).rows(0, 1)
    let group = ServiceGroup(
      services: [predictor], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    async let service: Void = group.run()
    // It waits for company until nobody can come any more.
    let waiting = Task { try await predictor.predict(row) }
    try await Self.waitUntil { predictor.queueLength == 1 }
    await group.triggerGracefulShutdown()
    #expect(try await waiting.value.shape == [1, 10])
    try await service
    let error = await Fixtures.error { _ = try await predictor.predict(row) }
    #expect(error?.code == .predictorClosed)
  }

  @Test func aPredictorThatNobodyHoldsIsFreed() async throws {
    weak var weakPredictor: BatchingPredictor?
    do {
      let predictor = try await Self.predictor()
      weakPredictor = predictor
      let row = try #require(try Fixtures.heldOut()["inputs"]).rows(0, 1)
      // Its alarm is still set.
      _ = try await predictor.predict(row, deadline: .now + .seconds(3600))
    }
    try await Self.waitUntil { weakPredictor == nil }
  }
}

extension Sequence {
  /// Nil for those that failed.
  fileprivate func asyncMapResults<Result>(_ body: (Element) async throws -> Result) async -> [Result?] {
    var results: [Result?] = []
    for element in self { results.append(try? await body(element)) }
    return results
  }

  fileprivate func asyncMap<Result>(_ body: (Element) async throws -> Result) async throws -> [Result] {
    var results: [Result] = []
    for element in self { results.append(try await body(element)) }
    return results
  }
}
