import RBNExecution
import RBNGraph

/// Measures the kernels on single layers of well-known networks, one after another.
///
/// A layer runs again and again: its weights and activations are as close to the processor as they fit. In a network they come
/// from further away.
public struct KernelBenchmark: Codable, Hashable, Sendable {
  /// One layer.
  public struct Measurement: Codable, Hashable, Sendable {
    /// Kernel size, channels, size of the input, stride: `conv2d 3x3 64->64 56x56 s1`. A convolution has a norm and a
    /// ReLU behind it: BatchNorm, or RBN where the name says so.
    public var name: String
    /// The networks that have it.
    public var networks: [String]
    /// The kernels that ran.
    public var kernel: String
    /// The times of the calls, without the copies of inputs and outputs.
    public var latency: LatencySummary
    /// Floating-point operations, as ``BenchmarkReport`` counts them.
    public var operationCount: Int
    /// 10⁹ of them in a second, at the median time.
    public var gigaflops: Double
    /// The part of the peak that this is.
    public var shareOfPeak: Double
    /// Bytes of the input, the weights and the output, each counted once.
    public var byteCount: Int
    /// 10⁹ of these bytes in a second, at the median time.
    public var gigabytesPerSecond: Double

    enum CodingKeys: String, CodingKey {
      case name, networks, kernel, latency
      case operationCount = "floating_point_operations"
      case gigaflops = "gflops"
      case shareOfPeak = "share_of_peak"
      case byteCount = "bytes"
      case gigabytesPerSecond = "gb_per_second"
    }
  }

  /// The number of threads that took part.
  public var threads: Int
  /// The instruction set of the kernels.
  public var instructionSet: String
  /// 10⁹ floating-point operations in a second at the processor's peak, measured on as many threads.
  public var peakGigaflops: Double
  /// The layers.
  public var kernels: [Measurement] = []

  enum CodingKeys: String, CodingKey {
    case threads, kernels
    case instructionSet = "instruction_set"
    case peakGigaflops = "peak_gflops"
  }

  /// The names of all layers.
  public static var names: [String] { KernelCase.all.map(\.name) }

  /// Measures the layers whose name contains `filter`.
  ///
  /// - Parameters:
  ///   - filter: a part of the names of the layers to measure; empty for all.
  ///   - time: for how long each layer runs, and at least three times.
  ///   - options: threads, instruction set and passes.
  ///   - progress: called after each layer, with their number.
  /// - Throws: `usage.invalid-option` when no name contains `filter`; `CancellationError`.
  public static func run(
    filter: String = "", time: Duration = .milliseconds(200), options: ModelOptions = ModelOptions(),
    progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) async throws -> KernelBenchmark {
    let execution = try options.execution()
    let cases = KernelCase.all.filter { filter.isEmpty || $0.name.contains(filter) }
    guard !cases.isEmpty else {
      throw RBNError(
        .invalidOption, .usage, "no kernel's name contains '\(filter)'",
        advice: "they read like \(names.first ?? "")")
    }
    return try await CallQueue.shared.run { call in
      let instructionSet = execution.instructionSet ?? .best
      let pool = execution.threads.map { ThreadPool(threads: $0) } ?? .shared
      let peak = PeakThroughput.measure(instructionSet, threads: pool.threads)
      var result = KernelBenchmark(
        threads: pool.threads, instructionSet: instructionSet.rawValue, peakGigaflops: peak / 1e9)
      for (index, kernelCase) in cases.enumerated() {
        result.kernels.append(
          try measure(kernelCase, execution, time, peak: peak, isCancelled: { call.isCancelled }))
        progress(index + 1, cases.count)
      }
      return result
    }
  }

  private static func measure(
    _ kernelCase: KernelCase, _ execution: ExecutionOptions, _ time: Duration, peak: Double,
    isCancelled: () -> Bool
  ) throws -> Measurement {
    let graph = try kernelCase.graph()
    let executor = try NetworkExecutor(graph: graph, options: execution)
    let shapes = graph.inputs.map(\.exampleShape)
    var generator = SeededGenerator(seed: 1)
    let inputs = try shapes.map { shape in
      try Tensor(
        shape: shape, scalars: (0..<shape.elementCount()).map { _ in .random(in: -2...2, using: &generator) })
    }
    let trial = try CallProfile(executor, inputs, calls: 3, isCancelled: isCancelled)
    let typical = max(trial.stepTimes.min() ?? .zero, .microseconds(1))
    let calls = max(3, Int(min(time / typical, 10_000)))
    let profile = try CallProfile(executor, inputs, calls: calls, isCancelled: isCancelled)
    guard let latency = LatencySummary(profile.stepTimes) else { throw CancellationError() }
    let flops = Double(profile.operationCount) / latency.median * 1e3
    let outputs = try executor.plan(for: shapes).outputs.reduce(0) { $0 + $1.count * 4 }
    let bytes = inputs.reduce(executor.weightByteCount + outputs) { $0 + $1.byteCount }
    return Measurement(
      name: kernelCase.name, networks: kernelCase.networks, kernel: profile.kernels, latency: latency,
      operationCount: profile.operationCount, gigaflops: flops / 1e9,
      shareOfPeak: peak > 0 ? flops / peak : 0,
      byteCount: bytes, gigabytesPerSecond: Double(bytes) / latency.median / 1e6)
  }
}

extension CallProfile {
  /// The time of each call between the copies of inputs and outputs.
  fileprivate var stepTimes: [Duration] {
    calls.compactMap { marks in marks.count > 2 ? marks[marks.count - 2] - marks[1] : nil }
  }

  /// The kernels of the steps.
  fileprivate var kernels: String { parts.dropFirst().dropLast().map(\.kernel).joined(separator: " + ") }
}
