import Foundation
import RBNRuntime
import Testing

@testable import RBNFormats

/// `rbn verify` on every golden file of the fixtures.
@Suite struct GoldenFileTests {
  struct Pair: CustomTestStringConvertible {
    var model: String
    var golden: String
    var testDescription: String { model }
  }

  static let digits = Command.fixture("digits/digits-rbn.npz")

  static let pairs: [Pair] = {
    let trained = ["pth", "pt2", "rbn"].map {
      Pair(model: "digits/digits-rbn.\($0)", golden: "digits/digits-rbn.npz")
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: Command.fixture("blocks"))) ?? []
    let blocks = names.sorted().filter { $0.hasSuffix(".pt2") }.map { name in
      // The same program decomposed, or as an earlier torch wrote it.
      let golden = name.dropLast(4).replacing(/-(decomposed|torch-[0-9.]+)$/, with: "")
      return Pair(model: "blocks/\(name)", golden: "blocks/\(golden).npz")
    }
    return trained + blocks
  }()

  @Test func thereAreGoldenFilesOfEveryKind() { #expect(Self.pairs.count >= 38) }

  @Test(arguments: pairs) func passes(_ pair: Pair) throws {
    let result = try Command.run([
      "verify", Command.fixture(pair.model), Command.fixture(pair.golden), "--of-largest", "5e-6",
    ])
    #expect(result.status == 0, "\(result.errors)\(result.output)")
    #expect(result.output.contains("\nPASS: "))
    #expect(result.errors.isEmpty)
  }

  static let checkpoint = Command.root.deletingLastPathComponent()
    .appendingPathComponent("shared/data/weights/akamaster-resnet20-12fca82f.th").path

  @Test(
    .enabled(
      if: FileManager.default.fileExists(atPath: checkpoint), "the weights are not beside the checkout"),
    arguments: ["akamaster-resnet20.npz", "akamaster-resnet20-wide.npz"])
  func aRealCheckpointPasses(golden: String) throws {
    let result = try Command.run(["verify", Self.checkpoint, Command.fixture("networks/\(golden)")])
    #expect(result.status == 0, "\(result.errors)\(result.output)")
  }

  /// One number of one weight is altered; the command fails and says in which layer.
  @Test(arguments: [
    ("conv1.weight", "conv1"), ("layer1.1.bn1.scale_weight", "layer1.1.bn1"),
    ("layer2.0.conv1.weight", "layer2.0.conv1"), ("layer3.0.bn2.center_weight", "layer3.0.bn2"),
    ("layer2.2.conv2.weight", "layer2.2.conv2"), ("linear.bias", "linear"),
  ]) func oneAlteredNumberFailsByTheNameOfItsLayer(key: String, layer: String) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("rbn-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let altered = folder.appendingPathComponent("altered.rbn").path
    var bundle = try ModelBundle.read(from: Command.fixture("digits/digits-rbn.rbn"))
    let position = try #require(bundle.weights.firstIndex { $0.key == key })
    let tensor = bundle.weights[position].tensor
    var values = tensor.floats
    let largest = try #require(values.indices.max { abs(values[$0]) < abs(values[$1]) })
    values[largest] *= 1.5
    bundle.weights[position].tensor = try Tensor(shape: tensor.shape, scalars: values)
    try bundle.write(to: altered)

    let result = try Command.run(["verify", altered, Self.digits])
    #expect(result.status == 1)
    #expect(result.output.hasSuffix("FAIL: the first layer that departs is \(layer)\n"))
  }
}
