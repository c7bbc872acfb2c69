import RBNGraph
import Testing

@testable import RBNRuntime

@Suite struct KernelBenchmarkTests {
  @Test func everyLayerIsAGraphOfItsName() throws {
    let cases = KernelCase.all
    #expect(Set(cases.map(\.name)).count == cases.count)
    for kernelCase in cases {
      let graph = try kernelCase.graph()
      let types = try graph.inferTypes(inputShapes: graph.inputs.map(\.exampleShape))
      let words = kernelCase.name.split(separator: " ")
      let output = try #require(types[graph.outputs[0].value.index]).shape
      if words[0] == "conv2d" {
        let channels = try #require(words[2].split(separator: "->").last)
        #expect("\(output[1])" == channels, "\(kernelCase.name): \(output)")
        let size = try #require(words[3].split(separator: "x").first.flatMap { Int($0) })
        let stride = try #require(Int(words[4].dropFirst()))
        #expect(output[2] == (size + stride - 1) / stride, "\(kernelCase.name): \(output)")
      }
    }
  }

  @Test func theNetworksHaveTheirLayers() throws {
    func count(_ network: String) -> Int {
      KernelCase.all.count {
        $0.networks.contains(network) && $0.name.hasPrefix("conv2d") && !$0.name.hasSuffix("rbn")
      }
    }
    // Different convolutions: the stem, the first stage, and three stages whose first block subsamples.
    #expect(count("resnet50") == 1 + 4 + 3 * 6)
    #expect(count("resnet18") == 1 + 1 + 3 * 3)
    for name in ["resnet50", "resnet18", "resnext50_32x4d", "mobilenet_v2"] {
      #expect(count(name) > 10, "\(name)")
    }
  }

  @Test func aLayerIsMeasured() async throws {
    let result = try await KernelBenchmark.run(
      filter: "conv2d 1x1 64->256 56x56 s1", time: .milliseconds(1), options: ModelOptions(threads: 1))
    #expect(result.threads == 1 && result.peakGigaflops > 0)
    #expect(
      result.kernels.map(\.name) == ["conv2d 1x1 64->256 56x56 s1", "conv2d 1x1 64->256 56x56 s1 + rbn"])
    for kernel in result.kernels {
      #expect(kernel.operationCount == 2 * 64 * 256 * 56 * 56)
      #expect(kernel.latency.count >= 3 && kernel.gigaflops > 0 && !kernel.kernel.isEmpty)
      #expect(kernel.byteCount >= 4 * (64 * 56 * 56 + 64 * 256 + 256 * 56 * 56))
      #expect(kernel.networks.contains("resnet50"))
    }
  }

  @Test func aFilterThatFitsNothingIsRefused() async throws {
    let error = await Fixtures.error { _ = try await KernelBenchmark.run(filter: "conv9d") }
    #expect(error?.code == .invalidOption)
    #expect(error?.description.contains("conv2d") == true)
  }
}
