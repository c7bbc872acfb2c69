import Foundation
import RBNRuntime
import Testing

@testable import RBNFormats

@Suite struct VerificationTests {
  private static let golden = Fixtures.path("digits/digits-rbn.npz")

  @Test(arguments: Fixtures.digitsFiles) func theDigitsNetworkIsThatOfPyTorch(file: String) async throws {
    let result = try await Verification.verify(
      modelAt: file, golden: Self.golden, tolerance: Tolerance(ofLargest: 5e-6))
    #expect(result.passed)
    #expect(result.firstDeparture == nil)
    #expect(result.comparisons.count { $0.kind == .layer } == 51)
    #expect(result.comparisons.count { $0.kind == .output } == 1)
    #expect(result.uncomparedLayers.isEmpty)
    let classes = try #require(result.comparisons.last?.classes)
    #expect(classes.rows == 1 && classes.sameFirst == 1 && classes.sameFive == 1)
    #expect(result.comparisons.allSatisfy { $0.largestDifference.isFinite && $0.cosine > 0.999999 })
  }

  @Test func everyBlockIsThatOfPyTorch() async throws {
    struct Blocks: Decodable {
      struct Block: Decodable {
        var programs: [String]
        var golden: String
      }
      var blocks: [Block]
    }
    let url = URL(fileURLWithPath: Fixtures.path("blocks/blocks.json"))
    let blocks = try JSONDecoder().decode(Blocks.self, from: Data(contentsOf: url)).blocks
    #expect(blocks.count >= 20)
    for block in blocks {
      for program in block.programs {
        let result = try await Verification.verify(
          modelAt: Fixtures.path("blocks/\(program)"), golden: Fixtures.path("blocks/\(block.golden)"),
          tolerance: Tolerance(ofLargest: 5e-6))
        #expect(result.passed, "\(program): \(result.firstDeparture?.name ?? "")")
      }
    }
  }

  /// One element of one tensor doubled is seen, and named by the module that reads it.
  @Test(arguments: [
    ("conv1.weight", "conv1"), ("bn1.center_weight", "bn1"), ("layer1.0.bn2.scale_weight", "layer1.0.bn2"),
    ("layer2.1.conv2.weight", "layer2.1.conv2"), ("layer2.0.bn1.scale_bias", "layer2.0.bn1"),
    ("layer3.2.bn2.running_var", "layer3.2.bn2"), ("layer3.1.bn1.running_mean", "layer3.1.bn1"),
    ("linear.weight", "linear"), ("linear.bias", "linear"),
  ]) func anAlteredWeightIsNamedByItsLayer(key: String, layer: String) async throws {
    try await Fixtures.withFolder { folder in
      var bundle = try ModelBundle.read(from: Fixtures.path("digits/digits-rbn.rbn"))
      let position = try #require(bundle.weights.firstIndex { $0.key == key })
      let tensor = bundle.weights[position].tensor
      var values = tensor.floats
      // The largest one, but of the last layer one whose input is not 0.
      let largest = try #require(values.indices.max { abs(values[$0]) < abs(values[$1]) })
      values[key == "linear.weight" ? 89 : largest] *= 2
      bundle.weights[position].tensor = try Tensor(shape: tensor.shape, scalars: values)
      let altered = folder + "/altered.rbn"
      try bundle.write(to: altered)
      let result = try await Verification.verify(
        modelAt: altered, golden: Self.golden, tolerance: Tolerance(ofLargest: 5e-6))
      let name = result.firstDeparture?.name
      #expect(name == layer)
    }
  }

  /// The same for every tensor of every layer of blocks of several kinds.
  @Test(arguments: [
    "basic", "bottleneck-downsample", "inverted-residual", "pre-activation-in-place", "dense-in-place",
    "basic-batch-norm", "shared-norm",
  ]) func anyAlteredWeightOfABlockIsNamedByItsLayer(block: String) async throws {
    let golden = Fixtures.path("blocks/\(block).npz")
    try await Fixtures.withFolder { folder in
      let file = folder + "/block.rbn"
      try await ModelConversion().convert(modelAt: Fixtures.path("blocks/\(block).pt2"), to: file)
      let bundle = try ModelBundle.read(from: file)
      let keys = bundle.weights.filter { $0.tensor.dtype == .float32 }.map(\.key)
      #expect(keys.count >= 8)
      for (position, weight) in bundle.weights.enumerated() where keys.contains(weight.key) {
        var altered = bundle
        var values = weight.tensor.floats
        let largest = try #require(values.indices.max { abs(values[$0]) < abs(values[$1]) })
        values[largest] *= 2
        altered.weights[position].tensor = try Tensor(shape: weight.tensor.shape, scalars: values)
        try altered.write(to: file)
        let result = try await Verification.verify(
          modelAt: file, golden: golden, tolerance: Tolerance(ofLargest: 5e-6))
        let layer = weight.key.split(separator: ".").dropLast().joined(separator: ".")
        let name = result.firstDeparture?.name
        #expect(name == layer, "\(weight.key)")
      }
    }
  }

  @Test func goldenTensorsMayLieInTheBundle() async throws {
    try await Fixtures.withFolder { folder in
      let file = folder + "/digits.rbn"
      var conversion = ModelConversion()
      conversion.goldenPath = Self.golden
      try await conversion.convert(modelAt: Fixtures.digits, to: file)
      let result = try await Verification.verify(modelAt: file)
      #expect(result.passed && result.comparisons.count == 52 && result.golden == nil)
    }
    let error = await Fixtures.error { _ = try await Verification.verify(modelAt: Fixtures.digits) }
    #expect(error?.code == .goldenIncomplete)
  }

  @Test func goldenFilesThatDoNotFitAreNamed() async throws {
    let tensors = try TensorFile.read(contentsOf: Self.golden)
    let input = try #require(tensors.first { $0.name == "inputs/x" }).tensor
    let output = try #require(tensors.first { $0.name.hasPrefix("outputs/") })
    let cases: [([(name: String, tensor: Tensor)], RBNError.Code)] = [
      ([("inputs/x", input)], .goldenIncomplete),
      ([output], .goldenIncomplete),
      ([("inputs/x", input), output, ("logits", input)], .goldenName),
      ([("inputs/x", try .zeros([1, 3, 8, 8])), output], .goldenShape),
      ([("inputs/x", input), (output.name, try .zeros([1, 11]))], .goldenShape),
      ([("inputs/x", input), ("inputs/y", input), output], .goldenIncomplete),
    ]
    try await Fixtures.withFolder { folder in
      for (index, (tensors, code)) in cases.enumerated() {
        let file = folder + "/\(index).npz"
        try TensorFile.write(tensors, to: file)
        let error = await Fixtures.error {
          _ = try await Verification.verify(modelAt: Fixtures.digits, golden: file)
        }
        #expect(error?.code == code, "\(index)")
        #expect(error?.file == file && error?.subject == .input, "\(index)")
      }
    }
    let tolerance = await Fixtures.error {
      _ = try await Verification.verify(
        modelAt: Fixtures.digits, golden: Self.golden, tolerance: Tolerance(absolute: -1))
    }
    #expect(tolerance?.subject == .usage)
  }

  @Test func numbersThatAreNotFiniteAgreeOnlyWithThemselves() async throws {
    let tensors = try TensorFile.read(contentsOf: Self.golden)
    try await Fixtures.withFolder { folder in
      var changed = tensors
      let position = try #require(changed.firstIndex { $0.name.hasPrefix("outputs/") })
      var values = changed[position].tensor.floats
      values[3] = .nan
      values[4] = .infinity
      changed[position].tensor = try Tensor(shape: changed[position].tensor.shape, scalars: values)
      let file = folder + "/nan.npz"
      try TensorFile.write(changed, to: file)
      let result = try await Verification.verify(modelAt: Fixtures.digits, golden: file)
      #expect(!result.passed)
      #expect(result.firstDeparture?.kind == .output)
      #expect(result.firstDeparture?.beyondTolerance == 2)
    }
  }
}
