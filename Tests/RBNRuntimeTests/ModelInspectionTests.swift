import RBNRuntime
import Testing

@Suite struct ModelInspectionTests {
  @Test func theDigitsNetworkIsDescribed() async throws {
    let inspection = try await ModelInspection.inspect(contentsOf: Fixtures.path("digits/digits-rbn.pth"))
    #expect(inspection.format == .checkpoint)
    let stem = try #require(inspection.tensors.first)
    #expect(stem.key == "conv1.weight" && stem.dtype == .float16 && stem.shape == [16, 1, 3, 3])
    let network = try #require(inspection.network)
    #expect(network.architecture == "resnet20")
    #expect(network.representativeBatchNormCount == 19)
    // 32×32: 9·16·1024 for the stem, then 6 · 9·16·16·1024 + 9·16·32·256 + 5 · 9·32·32·256 + … + 640.
    let zeroth = 9 * 16 * 1024
    let first = 6 * 9 * 16 * 16 * 1024
    let second = 9 * 16 * 32 * 256 + 5 * 9 * 32 * 32 * 256
    let third = 9 * 32 * 64 * 64 + 5 * 9 * 64 * 64 * 64
    #expect(network.multiplyAdds == zeroth + first + second + third + 640)
    #expect(network.steps.contains { $0.fused == ["rbn", "residual", "aten.relu.default"] })
    #expect(network.arenaByteCount > 0)
  }

  @Test func aBundleSaysWhatItHolds() async throws {
    let inspection = try await ModelInspection.inspect(contentsOf: Fixtures.efficientNet)
    let network = try #require(inspection.network)
    #expect(network.labelCount == 1000 && network.hasPreprocessing)
    #expect(inspection.identity?.count == 64)
    #expect(inspection.provenance["licence"] == "Apache-2.0")
    #expect(network.representativeBatchNormCount == 0)
    // 385 million multiply-adds, as the network's authors say: "407M" counts the normalisation too.
    #expect((380_000_000...410_000_000).contains(network.multiplyAdds))
  }

  @Test func aCheckpointOfNoKnownNetworkIsStillListed() async throws {
    let inspection = try await ModelInspection.inspect(contentsOf: Fixtures.path("checkpoints/plain.pth"))
    #expect(inspection.network == nil)
    #expect(!inspection.tensors.isEmpty)
    #expect(inspection.networkProblem?.contains("not recognised") == true)
  }
}
