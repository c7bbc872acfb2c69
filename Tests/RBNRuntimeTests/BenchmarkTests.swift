import Foundation
import RBNFormats
import RBNGraph
import Testing

@testable import RBNRuntime

@Suite struct BenchmarkTests {
  @Test func latencyIsSummarisedAsNumpyDoes() throws {
    #expect(LatencySummary([]) == nil)
    let one = try #require(LatencySummary([.milliseconds(4)]))
    #expect(
      [one.minimum, one.mean, one.median, one.p90, one.p99, one.maximum] == Array(repeating: 4, count: 6))
    let times = [10, 2, 7, 1, 9, 4, 3, 8, 6, 5].map { Duration.milliseconds($0) }
    let summary = try #require(LatencySummary(times))
    #expect(summary.count == 10 && summary.minimum == 1 && summary.maximum == 10)
    // numpy.percentile(range(1, 11), [50, 90, 99])
    #expect(abs(summary.mean - 5.5) < 1e-12 && abs(summary.median - 5.5) < 1e-12)
    #expect(abs(summary.p90 - 9.1) < 1e-12 && abs(summary.p99 - 9.91) < 1e-12)
  }

  @Test(arguments: Fixtures.digitsFiles)
  func inputsHaveTheShapesThatWereAskedFor(_ file: String) throws {
    let model = try Model(contentsOf: file)
    // The architecture's usual size, and the exporter's example.
    let side = file.hasSuffix(".pth") ? 32 : 8
    #expect(try Benchmark(model).inputs.map(\.shape) == [[1, 1, side, side]])
    #expect(try Benchmark(model, batch: 3).inputs.map(\.shape) == [[3, 1, side, side]])
    #expect(try Benchmark(model, batch: 2, size: (24, 16)).inputs.map(\.shape) == [[2, 1, 24, 16]])
    #expect(try Benchmark(model).inputs[0].floats == Benchmark(model).inputs[0].floats)
  }

  @Test func inputsHaveTheDTypesOfTheModel() async throws {
    var graph = Graph()
    let index = graph.addInput("index", dtype: .int64, shape: [nil, 8], exampleShape: [2, 8])
    let mask = graph.addInput("mask", dtype: .bool, shape: [nil, 8], exampleShape: [2, 8])
    let product = graph.append(Binary(.mul), [index, mask], module: ModuleCall(""))
    graph.outputs = [Graph.Output(name: "product", value: product)]
    let benchmark = try Benchmark(Model(graph), batch: 3)
    #expect(benchmark.inputs.map(\.dtype) == [.int64, .bool])
    for input in benchmark.inputs { #expect(Set(input.doubles) == [0, 1]) }
    #expect(try await benchmark.times(iterations: 1).count == 1)
  }

  @Test func sizesThatFitNothingAreRefused() async throws {
    let model = try Model(contentsOf: Fixtures.digits)
    #expect(await Fixtures.error { _ = try Benchmark(model, batch: 0) }?.code == .invalidOption)
    #expect(await Fixtures.error { _ = try Benchmark(model, size: (32, -1)) }?.code == .invalidOption)
    let fixed = try Model(contentsOf: Fixtures.path("blocks/siblings-in-place-decomposed.pt2"))
    #expect(await Fixtures.error { _ = try Benchmark(fixed, batch: 7) }?.subject == .input)
    #expect(await Fixtures.error { _ = try Benchmark(fixed, size: (31, 7)) }?.subject == .input)
    #expect(await Fixtures.error { _ = try Benchmark(model, batch: .max) }?.subject == .input)
    let benchmark = try Benchmark(model)
    #expect(await Fixtures.error { _ = try await benchmark.report(.iterations(0)) }?.code == .invalidOption)
    #expect(await Fixtures.error { _ = try await benchmark.report(.time(.zero)) }?.code == .invalidOption)
  }

  @Test func theReportIsConsistent() async throws {
    let file = Fixtures.path("digits/digits-rbn.pth")
    let model = try Model(contentsOf: file, options: ModelOptions(threads: 1))
    let report = try await Benchmark(model, batch: 2).report(.iterations(4), warmUp: 1)
    #expect(report.model == file && report.format == .checkpoint && report.threads == 1)
    #expect(report.inputShapes == [[2, 1, 32, 32]] && report.latency.count == 4)
    let network = try #require(try await ModelInspection.inspect(contentsOf: file).network)
    #expect(report.operationCount == 2 * 2 * network.multiplyAdds)
    #expect(report.instructionSet == network.instructionSet)
    #expect(abs(report.gigaflops - Double(report.operationCount) / report.latency.median / 1e6) < 1e-6)
    #expect(abs(report.shareOfPeak - report.gigaflops / report.peakGigaflops) < 1e-9)
    #expect(abs(report.throughput - 2000 / report.latency.mean) < 1e-6)
    #expect(report.peakGigaflops > 0 && report.memory.arena > 0)
    // As many weights as there are parameters at least, and padded to tiles at most to a small multiple.
    let weights = report.memory.packedWeights / 4
    #expect(weights > network.layers.reduce(0) { $0 + $1.parameterCount } / 2, "\(weights)")
    #expect(try #require(report.memory.peakResident) > report.memory.arena)
  }

  @Test func aTimeGivesAtLeastThreeCalls() async throws {
    let benchmark = try Benchmark(try Model(contentsOf: Fixtures.digits))
    #expect(try await benchmark.report(.time(.nanoseconds(1))).latency.count == 3)
    #expect(try await benchmark.times(iterations: 2, warmUp: 1).count == 2)
    #expect(try await benchmark.times(iterations: 0).isEmpty)
  }

  @Test(arguments: [[], Set(ModelOptions.passNames)])
  func everyOperationIsInOneStep(_ disabledPasses: Set<String>) async throws {
    var options = ModelOptions()
    options.disabledPasses = disabledPasses
    let model = try Model(contentsOf: Fixtures.digits, options: options)
    let benchmark = try Benchmark(model)
    let layers = try await benchmark.profile(iterations: 2).layers
    #expect(layers.first?.module == "(inputs)" && layers.last?.module == "(outputs)")
    let source = try NetworkFile(contentsOf: Fixtures.digits).graph
    for op in [Conv2d.name, Linear.name] {
      let expected = source.nodes.filter { $0.op.name == op }.map(\.module.description).sorted()
      let found = layers.flatMap(\.contains).filter { $0.op == op }.map(\.module).sorted()
      #expect(found == expected)
    }
    // Fused or not, the normalisation is said to be where it is done.
    let norms = Set(source.nodes.map(\.module.description).filter { $0.contains("bn") })
    #expect(norms.count == 19)
    #expect(norms.isSubset(of: Set(layers.flatMap(\.contains).map(\.module))))
    #expect(abs(layers.reduce(0) { $0 + $1.share } - 1) < 1e-9)
    #expect(layers.allSatisfy { $0.time >= 0 && !$0.kernel.isEmpty && !$0.outputShape.isEmpty })
    let network = try #require(try await ModelInspection.inspect(contentsOf: Fixtures.digits).network)
    #expect(layers.reduce(0) { $0 + $1.operationCount } == 2 * network.multiplyAdds)
  }

  @Test func theTraceIsWellFormed() async throws {
    let benchmark = try Benchmark(try Model(contentsOf: Fixtures.digits))
    let profile = try await benchmark.profile(iterations: 3)
    try await Fixtures.withFolder { folder in
      let path = folder + "/trace.json"
      try profile.writeTrace(to: path, model: "digits \"quoted\"")
      let bytes = try #require(try? [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
      let events = try JSONNode(JSONValue.parse(bytes, document: "trace"), document: "trace").member(
        "traceEvents"
      ).elements()
      var intervals: [Int: [(name: String, start: Double, end: Double)]] = [:]
      for event in events {
        #expect(try event.member("pid").int() == 1)
        let track = try event.member("tid").int()
        switch try event.member("ph").string() {
        case "M": #expect(try !event.member("args").member("name").string().isEmpty)
        case "X":
          let start = try event.member("ts").double()
          let duration = try event.member("dur").double()
          #expect(start >= 0 && duration >= 0)
          intervals[track, default: []].append((try event.member("name").string(), start, start + duration))
        case let phase: Issue.record("an event of phase \(phase)")
        }
      }
      let calls = try #require(intervals[1]), steps = try #require(intervals[2])
      #expect(calls.map(\.name) == ["call 1", "call 2", "call 3"])
      #expect(steps.count == 3 * profile.layers.count)
      // Steps follow one another inside of the calls; a nanosecond for rounding.
      for (step, next) in zip(steps, steps.dropFirst()) { #expect(step.end <= next.start + 1e-3) }
      for step in steps {
        #expect(calls.contains { $0.start <= step.start + 1e-3 && step.end <= $0.end + 1e-3 }, "\(step)")
      }
    }
    let error = await Fixtures.error { try profile.writeTrace(to: "/nowhere/trace.json", model: "digits") }
    #expect(error?.subject == .system)
  }
}
