import ArgumentParser
import RBNRuntime
import Synchronization

/// `rbn bench`: how fast a model runs.
struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures how fast a model runs, and where the time goes.",
    discussion: """
      Calls follow one another, each timed from input tensors to output tensors; inputs are random. GFLOP/s count \
      convolutions and fully connected layers, two operations a multiply-add by the direct method, and the peak is \
      measured on this machine with the same instruction set and threads.

      With --interactive each line of standard input is a number of calls to make, answered by one line: their times \
      in milliseconds as a JSON array. This is for measuring in turns with other programs.

      EXAMPLES
        rbn bench resnet50.pth
        rbn bench model.rbn --batch 8 --threads 4 --seconds 10
        rbn bench mobilenet.pt2 --layers
        rbn bench resnet50.pth --iterations 200 --json > bench.json
        rbn bench resnet50.pth --trace trace.json
        rbn bench --kernels --filter 'conv2d 3x3' --threads 1
      """)

  @Argument(help: "The model: .pth, .pt2 or .rbn.")
  var model: String?

  @Option(help: ArgumentHelp("The number of calls that count.", valueName: "n"))
  var iterations: Int?

  @Option(
    help: ArgumentHelp("How long to measure, where no number of calls is given; default: 3.", valueName: "s"))
  var seconds: Double?

  @Option(help: ArgumentHelp("Calls before those that count.", valueName: "n"))
  var warmUp = 5

  @Option(help: ArgumentHelp("Images in a call; default: 1 where the model leaves it free.", valueName: "n"))
  var batch: Int?

  @Option(
    help: ArgumentHelp(
      "Height and width of the images, 224 or 192x256; default: the model's usual.", valueName: "size"))
  var size: String?

  @Flag(help: "Show the time of every step, by module path, with the kernel and what is fused into it.")
  var layers = false

  @Option(
    help: ArgumentHelp("Write a trace of some calls, for Perfetto or chrome://tracing.", valueName: "file"))
  var trace: String?

  @Flag(help: "Print the results as JSON.")
  var json = false

  @Flag(help: "Make as many calls as each line of standard input says.")
  var interactive = false

  @Flag(help: "Measure the kernels by themselves, on the layers of well-known networks; needs no model.")
  var kernels = false

  @Option(help: ArgumentHelp("With --kernels, only those whose name contains this.", valueName: "text"))
  var filter: String?

  @OptionGroup(title: "Model") var modelArguments: ModelArguments

  /// The calls that layers and traces are taken from.
  private static let profiledCalls = 20

  func validate() throws {
    guard kernels != (model != nil) else {
      throw ValidationError(kernels ? "--kernels needs no model." : "Name a model, or give --kernels.")
    }
    guard filter == nil || kernels else { throw ValidationError("--filter is for --kernels.") }
    let isModelsOnly =
      batch != nil || size != nil || iterations != nil || layers || trace != nil || interactive
    guard !(kernels && isModelsOnly) else {
      throw ValidationError("--kernels takes --filter, --seconds, --threads, --instruction-set and --json.")
    }
    guard iterations == nil || seconds == nil else {
      throw ValidationError("Give --iterations or --seconds, not both.")
    }
    guard !interactive || (iterations == nil && seconds == nil && trace == nil && !layers && !json) else {
      throw ValidationError("--interactive takes the number of calls from standard input, and prints times.")
    }
    guard (iterations ?? 1) > 0, (seconds ?? 1) > 0, (seconds ?? 1).isFinite, warmUp >= 0 else {
      throw ValidationError("--iterations and --seconds must be positive, --warm-up at least 0.")
    }
    _ = try imageSize()
  }

  private func imageSize() throws -> (height: Int, width: Int)? {
    guard let size else { return nil }
    let parts = size.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    guard (1...2).contains(parts.count), parts.allSatisfy({ $0 > 0 }), let height = parts.first,
      let width = parts.last
    else { throw ValidationError("--size is a number or height x width, 224 or 192x256; not '\(size)'.") }
    return (height, width)
  }

  func run() async throws {
    guard let model else { return try await measureKernels() }
    let clock = ContinuousClock()
    let start = clock.now
    let loaded = try await Model.load(contentsOf: model, options: modelArguments.options)
    let loadTime = clock.now - start
    do {
      let benchmark = try Benchmark(loaded, batch: batch, size: try imageSize())
      if interactive { return try await answer(benchmark) }
      try await measure(benchmark, loadTime: loadTime)
    } catch let error as RBNError {
      throw error.inFile(model)
    }
  }

  private func answer(_ benchmark: Benchmark) async throws {
    while let line = readLine() {
      guard let count = Int(line), count >= 0 else {
        throw ValidationError("'\(line)' is not a number of calls.")
      }
      let times = try await benchmark.times(iterations: count)
      try StandardOutput.write(json: times.map { $0 / .milliseconds(1) }, isPretty: false)
    }
  }

  private func measure(_ benchmark: Benchmark, loadTime: Duration) async throws {
    let length: Benchmark.Length = iterations.map { .iterations($0) } ?? .time(.seconds(seconds ?? 3))
    var report = try await benchmark.report(length, warmUp: warmUp)
    report.loadTime = loadTime / .milliseconds(1)
    if layers || trace != nil {
      let profile = try await benchmark.profile(
        iterations: min(report.latency.count, Self.profiledCalls))
      if layers { report.layers = profile.layers }
      if let trace { try profile.writeTrace(to: trace, model: benchmark.model.file) }
    }
    if json {
      try StandardOutput.write(json: BenchmarkWriter.Document(report))
    } else {
      try StandardOutput.write(BenchmarkWriter.text(report))
    }
  }

  private func measureKernels() async throws {
    let progress = Mutex(ProgressLine?.none)
    let report = try await KernelBenchmark.run(
      filter: filter ?? "", time: .seconds(seconds ?? 0.2), options: modelArguments.options
    ) { done, total in
      progress.withLock { line in
        if line == nil { line = ProgressLine(total: total, unit: "layers") }
        line?.update(done: done)
      }
    }
    progress.withLock { $0?.clear() }
    if json {
      try StandardOutput.write(json: BenchmarkWriter.KernelDocument(report))
    } else {
      try StandardOutput.write(BenchmarkWriter.text(report))
    }
  }
}
