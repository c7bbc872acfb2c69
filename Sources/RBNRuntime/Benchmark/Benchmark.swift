import RBNExecution
import RBNGraph

/// Repeated calls of a model, one after another, each timed from the input tensors to the output tensors.
///
/// The inputs are seeded random numbers, 0 and 1 where they are integers or booleans: the arithmetic takes the same time for
/// all values, and every index is in range.
public struct Benchmark: Sendable {
  /// When the calls end.
  public enum Length: Hashable, Sendable {
    /// After so many calls.
    case iterations(Int)
    /// After the first call that ends later than this, and at least three.
    case time(Duration)
  }

  /// The model that is measured.
  public let model: Model
  /// The inputs of every call, in the order of the model's.
  public let inputs: [Tensor]

  /// Prepares inputs of the shapes that the model is known to take.
  ///
  /// - Parameters:
  ///   - model: what is measured.
  ///   - batch: the first dimension of every input; nil for 1 where it is free.
  ///   - size: the height and width of every image input; nil for those of the exporter's example, or the
  ///     architecture's usual ones.
  /// - Throws: `usage.invalid-option`; `graph.shape-mismatch` for shapes that the model does not take;
  ///   `execution.memory-limit`.
  public init(_ model: Model, batch: Int? = nil, size: (height: Int, width: Int)? = nil) throws {
    self.model = model
    for value in [batch, size?.height, size?.width] {
      guard let value, value < 1 else { continue }
      throw RBNError(.invalidOption, .usage, "a batch or size of \(value) is not at least 1")
    }
    let shapes = model.executor.graph.inputs.map { input in
      var shape = input.exampleShape
      if shape.rank > 0, let first = batch ?? (input.shape.first == .some(nil) ? 1 : nil) {
        shape.dimensions[0] = first
      }
      if shape.rank == 4, let size {
        shape.dimensions[2] = size.height
        shape.dimensions[3] = size.width
      }
      return shape
    }
    // Refuses what does not fit before memory is asked for.
    _ = try model.executor.plan(for: shapes)
    var generator = SeededGenerator(seed: 1)
    inputs = try zip(model.inputs, shapes).map { try generator.tensor($1, $0.dtype) }
  }

  /// Runs the model `iterations` times, after `warmUp` calls that are not counted.
  ///
  /// - Returns: the time of each call.
  /// - Throws: as ``Model/run(_:)-([Tensor])``.
  public func times(iterations: Int, warmUp: Int = 0) async throws -> [Duration] {
    try await times(.iterations(iterations), warmUp: warmUp)
  }

  private func times(_ length: Length, warmUp: Int) async throws -> [Duration] {
    let (executor, inputs) = (model.executor, inputs)
    return try await CallQueue.shared.run { call in
      for _ in 0..<max(warmUp, 0) { _ = try executor.run(inputs, isCancelled: { call.isCancelled }) }
      var times: [Duration] = []
      var total = Duration.zero
      while !length.isReached(times.count, total) {
        let time = try ContinuousClock().measure {
          _ = try executor.run(inputs, isCancelled: { call.isCancelled })
        }
        times.append(time)
        total += time
      }
      return times
    }
  }

  /// Runs calls and notes when each of their steps ends.
  ///
  /// - Throws: as ``Model/run(_:)-([Tensor])``.
  public func profile(iterations: Int) async throws -> CallProfile {
    let (executor, inputs) = (model.executor, inputs)
    return try await CallQueue.shared.run { call in
      try CallProfile(executor, inputs, calls: iterations, isCancelled: { call.isCancelled })
    }
  }

  /// Measures the calls and the processor's peak.
  ///
  /// - Parameters:
  ///   - length: when to end; the warm-up does not count.
  ///   - warmUp: the number of calls before, at least 1.
  /// - Throws: `usage.invalid-option`; as ``Model/run(_:)-([Tensor])``.
  public func report(_ length: Length, warmUp: Int = 3) async throws -> BenchmarkReport {
    try length.check()
    let first = try await times(iterations: 1)
    let times = try await times(length, warmUp: warmUp - 1)
    guard let latency = LatencySummary(times), let firstCall = LatencySummary(first) else {
      throw RBNError(.invalidOption, .usage, "nothing was measured")
    }
    let executor = model.executor
    let shapes = inputs.map(\.shape)
    let plan = try executor.plan(for: shapes)
    let instructionSet = executor.options.instructionSet ?? .best
    let peak = try await CallQueue.shared.run { _ in
      PeakThroughput.measure(instructionSet, threads: executor.pool.threads)
    }
    let operations = try CallProfile(executor, inputs, calls: 0, isCancelled: { false }).operationCount
    let flops = Double(operations) / latency.median * 1e3
    return BenchmarkReport(
      model: model.file, format: model.format, inputShapes: shapes.map(\.dimensions),
      threads: executor.pool.threads, instructionSet: instructionSet.rawValue, loadTime: nil,
      firstCallTime: firstCall.median, latency: latency,
      throughput: Double(shapes.first?.first ?? 1) / latency.mean * 1e3, operationCount: operations,
      gigaflops: flops / 1e9, peakGigaflops: peak / 1e9, shareOfPeak: peak > 0 ? flops / peak : 0,
      memory: BenchmarkReport.Memory(
        arena: plan.arenaByteCount, packedWeights: executor.weightByteCount,
        peakResident: ProcessMemory.peakResidentByteCount), layers: nil)
  }
}

extension Benchmark.Length {
  /// The smallest number of calls that a time allows.
  private static let leastCalls = 3

  func isReached(_ count: Int, _ total: Duration) -> Bool {
    switch self {
    case .iterations(let iterations): count >= iterations
    case .time(let time): count >= Self.leastCalls && total >= time
    }
  }

  func check() throws {
    switch self {
    case .iterations(let count) where count < 1:
      throw RBNError(.invalidOption, .usage, "\(count) iterations measure nothing: at least 1 is needed")
    case .time(let time) where time <= .zero:
      throw RBNError(.invalidOption, .usage, "a time of \(time) measures nothing: it must be positive")
    default: break
    }
  }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers everywhere for the same seed.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A tensor of numbers between −2 and 2; of 0 and 1 where the dtype is not floating-point.
  mutating func tensor(_ shape: Shape, _ dtype: DType) throws -> Tensor {
    let scalars = try (0..<shape.elementCount()).map { _ -> Float in
      dtype.isFloatingPoint ? .random(in: -2...2, using: &self) : Float(Int.random(in: 0...1, using: &self))
    }
    return try Tensor(shape: shape, scalars: scalars).converted(to: dtype)
  }
}
