import RBNRuntime

/// Prints what benchmarks found.
enum BenchmarkWriter {
  /// The JSON of `rbn bench`.
  struct Document: Encodable {
    var schemaVersion = 1
    var report: BenchmarkReport

    init(_ report: BenchmarkReport) { self.report = report }

    enum CodingKeys: String, CodingKey {
      case schemaVersion = "schema_version"
      case report = "bench"
    }
  }

  /// The JSON of `rbn bench --kernels`.
  struct KernelDocument: Encodable {
    var schemaVersion = 1
    var report: KernelBenchmark

    init(_ report: KernelBenchmark) { self.report = report }

    enum CodingKeys: String, CodingKey {
      case schemaVersion = "schema_version"
      case report = "kernel_bench"
    }
  }

  static func text(_ report: BenchmarkReport) -> String {
    let latency = report.latency
    var facts: [(String, String)] = [
      ("model", report.model), ("inputs", report.inputShapes.map(Format.shape).joined(separator: ", ")),
      ("threads", "\(report.threads), \(report.instructionSet) kernels"),
      ("calls", "\(latency.count)"), ("median", milliseconds(latency.median)),
      ("min", milliseconds(latency.minimum)), ("mean", milliseconds(latency.mean)),
      ("p90", milliseconds(latency.p90)), ("p99", milliseconds(latency.p99)),
      ("max", milliseconds(latency.maximum)), ("first call", milliseconds(report.firstCallTime)),
    ]
    if let load = report.loadTime { facts.append(("load", milliseconds(load))) }
    facts += [
      ("throughput", "\(Format.number(report.throughput)) images/s"),
      (
        "arithmetic",
        "\(Format.number(report.gigaflops)) GFLOP/s, \(percent(report.shareOfPeak)) of the peak of \(Format.number(report.peakGigaflops))"
      ),
      (
        "memory",
        "\(Format.bytes(report.memory.arena)) activations, \(Format.bytes(report.memory.packedWeights)) packed weights"
          + (report.memory.peakResident.map { ", \(Format.bytes($0)) peak of the process" } ?? "")
      ),
    ]
    return Format.facts(facts) + (report.layers.map { "\n" + table($0) } ?? "")
  }

  private static func table(_ layers: [LayerTiming]) -> String {
    var table = TextTable([
      ("module", .left), ("ms", .right), ("share", .right), ("GFLOP/s", .right), ("output", .left),
      ("kernel", .left), ("contains", .left),
    ])
    for layer in layers {
      table.add([
        layer.module, Format.fixed(layer.time, 3), percent(layer.share),
        layer.operationCount > 0 ? Format.fixed(layer.gigaflops, 1) : "", Format.shape(layer.outputShape),
        layer.kernel, contents(layer),
      ])
    }
    return table.text
  }

  /// The modules in a step with what each does: `layer1.0.conv1 conv2d, layer1.0.bn1 ×11` for so many operations.
  private static func contents(_ layer: LayerTiming) -> String {
    var order: [String] = []
    var ops: [String: [String]] = [:]
    for operation in layer.contains {
      if ops[operation.module] == nil { order.append(operation.module) }
      ops[operation.module, default: []].append(operation.op)
    }
    return order.map { module in
      let names = ops[module] ?? []
      // `conv2d` of `aten.conv2d.default`.
      let short = names.map { $0.split(separator: ".").dropFirst().first.map(String.init) ?? $0 }
      let what = names.count <= 3 ? short.joined(separator: "+") : "×\(names.count)"
      return module.isEmpty ? what : "\(module) \(what)"
    }.joined(separator: ", ")
  }

  static func text(_ report: KernelBenchmark) -> String {
    var table = TextTable([
      ("layer", .left), ("median ms", .right), ("min ms", .right), ("GFLOP/s", .right), ("of peak", .right),
      ("GB/s", .right), ("kernel", .left),
    ])
    for kernel in report.kernels {
      let computes = kernel.operationCount > 0
      table.add([
        kernel.name, Format.fixed(kernel.latency.median, 4), Format.fixed(kernel.latency.minimum, 4),
        computes ? Format.fixed(kernel.gigaflops, 1) : "", computes ? percent(kernel.shareOfPeak) : "",
        Format.fixed(kernel.gigabytesPerSecond, 1), kernel.kernel,
      ])
    }
    let peak = Format.number(report.peakGigaflops)
    return table.text
      + "\n\(report.threads) threads, \(report.instructionSet) kernels; peak \(peak) GFLOP/s\n"
  }

  private static func milliseconds(_ value: Double) -> String { "\(Format.number(value)) ms" }

  private static func percent(_ share: Double) -> String { "\(Format.fixed(share * 100, 1)) %" }
}
