import Foundation
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

  /// Every operation reads what comes before it, before and after the passes.
  @Test(arguments: [Fixtures.digits, Fixtures.efficientNet, Fixtures.path("blocks/pre-activation.pt2")])
  func theGraphIsConnected(file: String) async throws {
    let inspection = try await ModelInspection.inspect(contentsOf: file)
    let network = try #require(inspection.network)
    let inputs = network.inputs.map(\.name)
    func check(_ operations: [(name: String, inputs: [String])], outputs: [String]) {
      var known = Set(inputs)
      for operation in operations {
        #expect(!operation.inputs.isEmpty && known.isSuperset(of: operation.inputs), "\(operation.name)")
        known.insert(operation.name)
      }
      #expect(known.isSuperset(of: outputs) && outputs.count == network.outputs.count)
      #expect(known.count == inputs.count + operations.count)
    }
    check(network.layers.map { ($0.name, $0.inputs) }, outputs: network.outputLayers)
    check(network.steps.map { ($0.name, $0.inputs) }, outputs: network.outputSteps)
    #expect(network.steps.count < network.layers.count)
    #expect(inspection.weightByteCount > inspection.parameterCount)
  }

  /// RBN is recognised in every spelling that the exporter writes.
  @Test func everyRBNOfTheBlocksIsRecognised() async throws {
    struct Blocks: Decodable {
      struct Block: Decodable {
        var programs: [String]
        var layers: Int
        var nearMiss: String?
        enum CodingKeys: String, CodingKey {
          case programs
          case layers = "rbn_layers"
          case nearMiss = "near_miss"
        }
      }
      var blocks: [Block]
    }
    let url = URL(fileURLWithPath: Fixtures.path("blocks/blocks.json"))
    let blocks = try JSONDecoder().decode(Blocks.self, from: Data(contentsOf: url)).blocks
    #expect(blocks.count { $0.layers > 0 } >= 25 && blocks.count { $0.nearMiss != nil } >= 6)
    for block in blocks {
      for program in block.programs {
        let inspection = try await ModelInspection.inspect(contentsOf: Fixtures.path("blocks/\(program)"))
        let misses = try #require(inspection.network).representativeBatchNormNearMisses
        if let reason = block.nearMiss {
          #expect(misses.map(\.module) == ["norm"], "\(program)")
          #expect(misses.first?.reason.contains(reason) == true, "\(program): \(misses)")
          continue
        }
        #expect(misses == [], "\(program)")
        let count = inspection.network?.representativeBatchNormCount
        // One layer, called twice.
        let calls = program.hasPrefix("shared-norm") ? 2 : block.layers
        #expect(count == calls, "\(program)")
      }
    }
  }

  /// The view, the transposition and the view that networks shuffle channels with are one operation.
  @Test(arguments: ["", "-decomposed", "-dynamic", "-dynamic-decomposed"])
  func aChannelShuffleIsOneStep(form: String) async throws {
    let path = Fixtures.path("blocks/channel-shuffle\(form).pt2")
    let network = try #require(await ModelInspection.inspect(contentsOf: path).network)
    let steps = network.steps.filter { !$0.isAlias }.map(\.op)
    #expect(steps.count { $0 == "aten.channel_shuffle.default" } == 1, "\(steps)")
    #expect(!steps.contains { $0.contains("reshape") || $0.contains("permute") }, "\(steps)")
  }

  @Test func aCheckpointOfNoKnownNetworkIsStillListed() async throws {
    let inspection = try await ModelInspection.inspect(contentsOf: Fixtures.path("checkpoints/plain.pth"))
    #expect(inspection.network == nil)
    #expect(!inspection.tensors.isEmpty)
    #expect(inspection.networkProblem?.contains("not recognised") == true)
  }
}
