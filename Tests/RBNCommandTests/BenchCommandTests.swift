import Foundation
import Testing

@Suite struct BenchCommandTests {
  static let digits = Command.fixture("digits/digits-rbn.pth")

  private func json(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  @Test func benchPrintsFigures() throws {
    let result = try Command.run(["bench", Self.digits, "--iterations", "3", "--layers", "--batch", "2"])
    #expect(result.status == 0 && result.errors.isEmpty)
    for word in [
      "median", "p90", "p99", "images/s", "GFLOP/s", "of the peak", "packed weights", "(2, 1, 32, 32)",
    ] {
      #expect(result.output.contains(word), "\(word)")
    }
    // Fused layers are not lost.
    #expect(result.output.contains("layer1.0.bn1") && result.output.contains("layer3.2.conv2"))
  }

  @Test func benchWritesJSON() throws {
    let result = try Command.run([
      "bench", Self.digits, "--iterations", "4", "--warm-up", "0", "--threads", "1", "--layers", "--json",
    ])
    #expect(result.status == 0)
    let document = try json(result.output)
    #expect(document["schema_version"] as? Int == 1)
    let bench = try #require(document["bench"] as? [String: Any])
    #expect(bench["model"] as? String == Self.digits && bench["format"] as? String == "checkpoint")
    #expect(bench["threads"] as? Int == 1 && bench["instruction_set"] is String)
    #expect(bench["input_shapes"] as? [[Int]] == [[1, 1, 32, 32]])
    for key in [
      "load_ms", "first_call_ms", "throughput", "gflops", "peak_gflops", "share_of_peak",
      "floating_point_operations",
    ] {
      #expect(try #require(bench[key] as? Double, "\(key)") > 0, "\(key)")
    }
    let latency = try #require(bench["latency"] as? [String: Any])
    #expect(latency["count"] as? Int == 4)
    let values = try ["minimum", "median", "p90", "p99", "maximum"].map {
      try #require(latency[$0] as? Double)
    }
    #expect(values == values.sorted() && values[0] > 0)
    let memory = try #require(bench["memory"] as? [String: Any])
    #expect(memory["arena_bytes"] is Int && memory["packed_weights_bytes"] is Int)
    #expect(memory["peak_resident_bytes"] is Int)
    let layers = try #require(bench["layers"] as? [[String: Any]])
    #expect(layers.count > 20)
    for layer in layers {
      for key in ["module", "op", "kernel"] { #expect(layer[key] is String, "\(key)") }
      for key in ["median_ms", "share", "gflops"] { #expect(layer[key] is Double, "\(key)") }
      #expect(layer["output_shape"] is [Int] && layer["contains"] is [[String: Any]])
    }
  }

  @Test func benchWritesATrace() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("rbn-\(UUID().uuidString).json")
    defer { try? FileManager.default.removeItem(at: path) }
    let result = try Command.run(["bench", Self.digits, "--iterations", "2", "--trace", path.path])
    #expect(result.status == 0)
    let document = try json(try String(contentsOf: path, encoding: .utf8))
    let events = try #require(document["traceEvents"] as? [[String: Any]])
    #expect(events.count { $0["cat"] as? String == "call" } == 2)

    let failed = try Command.run(["bench", Self.digits, "--iterations", "1", "--trace", "/nowhere/t.json"])
    #expect(failed.status == 4 && failed.errors.contains("/nowhere/t.json"))
  }

  @Test func turnsAreTakenFromStandardInput() throws {
    let result = try Command.run(["bench", Self.digits, "--interactive"], input: "2\n0\n3\n")
    #expect(result.status == 0)
    let lines = result.output.split(separator: "\n").map {
      (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [Double]
    }
    #expect(lines.map { $0?.count } == [2, 0, 3])
    #expect(try Command.run(["bench", Self.digits, "--interactive"], input: "many\n").status == 2)
  }

  @Test func benchMeasuresKernels() throws {
    let arguments = ["bench", "--kernels", "--filter", "linear 512", "--seconds", "0.001"]
    let text = try Command.run(arguments)
    #expect(text.status == 0 && text.output.contains("of peak") && text.output.contains("linear 512->1000"))
    let document = try json(try Command.run(arguments + ["--json"]).output)
    #expect(document["schema_version"] as? Int == 1)
    let bench = try #require(document["kernel_bench"] as? [String: Any])
    #expect(bench["peak_gflops"] is Double)
    let kernels = try #require(bench["kernels"] as? [[String: Any]])
    #expect(kernels.count == 1)
    #expect(kernels[0]["share_of_peak"] is Double && kernels[0]["gb_per_second"] is Double)
  }

  @Test(arguments: [
    [], ["--kernels", BenchCommandTests.digits], [BenchCommandTests.digits, "--filter", "conv"],
    [BenchCommandTests.digits, "--iterations", "0"], [BenchCommandTests.digits, "--seconds", "-1"],
    [BenchCommandTests.digits, "--seconds", "nan"],
    [BenchCommandTests.digits, "--iterations", "1", "--seconds", "1"],
    [BenchCommandTests.digits, "--size", "32x"], [BenchCommandTests.digits, "--size", "0"],
    [BenchCommandTests.digits, "--warm-up", "-1"], [BenchCommandTests.digits, "--interactive", "--json"],
    [BenchCommandTests.digits, "--batch", "0"], [BenchCommandTests.digits, "--instruction-set", "mmx"],
    ["--kernels", "--filter", "no such layer"],
  ])
  func wrongUsageIsRefused(_ arguments: [String]) throws {
    let result = try Command.run(["bench"] + arguments)
    #expect(result.status == 2, "\(arguments): \(result.errors)")
    #expect(result.output.isEmpty && !result.errors.isEmpty)
  }

  @Test func filesAndShapesThatCantBeUsedAreNamed() throws {
    let missing = try Command.run(["bench", "no-such-file.pth"])
    #expect(missing.status == 3 && missing.errors.contains("no-such-file.pth"))
    let batch = try Command.run(["bench", Self.digits, "--batch", "9223372036854775807"])
    #expect(batch.status == 4 && batch.errors.contains("digits-rbn.pth"))
  }
}
