import Foundation
import RBNRuntime
import Testing

@testable import RBNFormats

@Suite struct ModelConversionTests {
  @Test(arguments: Fixtures.digitsFiles) func aBundleComputesTheSameBits(file: String) async throws {
    try await Fixtures.withFolder { folder in
      let bundle = folder + "/model.rbn"
      try await ModelConversion().convert(modelAt: file, to: bundle)
      let inputs = try #require(try Fixtures.heldOut()["inputs"])
      let expected = try await Model(contentsOf: file).run(inputs).floats
      let converted = try Model(contentsOf: bundle)
      #expect(converted.format == .bundle)
      #expect(try await converted.run(inputs).floats == expected)

      // Every tensor of the state dict is there, under its key.
      let keys = try ModelBundle.read(from: bundle).weights.map(\.key)
      #expect(keys.contains("layer1.0.bn1.center_weight") && keys.contains("bn1.num_batches_tracked"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["model.rbn"])
    }
  }

  @Test func whatIsKnownAboutAModelIsKept() async throws {
    try await Fixtures.withFolder { folder in
      let (first, second) = (folder + "/1.rbn", folder + "/2.rbn")
      var conversion = ModelConversion()
      conversion.preprocessing = .torchvision
      conversion.preprocessing?.channels = 1
      conversion.preprocessing?.mean = [0.3]
      conversion.preprocessing?.standardDeviation = [0.375]
      conversion.preprocessing?.crop = .init(height: 8, width: 8)
      conversion.labels = (0..<10).map { "№ \($0)" }
      conversion.goldenPath = Fixtures.path("digits/digits-rbn.npz")
      conversion.provenance = ["licence": "Apache-2.0"]
      try await conversion.convert(modelAt: Fixtures.digits, to: first)
      try await ModelConversion().convert(modelAt: first, to: second)
      let model = try Model(contentsOf: second)
      #expect(model.preprocessing == conversion.preprocessing)
      #expect(model.labels == conversion.labels)
      #expect(model.provenance["licence"] == "Apache-2.0")
      #expect(try await Verification.verify(modelAt: second).passed)
      let bytes = try [first, second].map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
      #expect(bytes[0] == bytes[1])
    }
  }

  /// float16 has 11 bits, bfloat16 8: rounding moves a weight by at most 2^-11 and 2^-8 of itself. Twenty layers of it
  /// move the logits by a few times that.
  @Test(arguments: [(DType.float16, 4.0 / 2048), (.bfloat16, 4.0 / 256)])
  func narrowWeightsTakeHalfTheSpace(dtype: DType, tolerance: Double) async throws {
    try await Fixtures.withFolder { folder in
      let (wide, narrow) = (folder + "/wide.rbn", folder + "/narrow.rbn")
      let source = Fixtures.path("blocks/bottleneck.pt2")
      try await ModelConversion().convert(modelAt: source, to: wide)
      var conversion = ModelConversion()
      conversion.weightDType = dtype
      try await conversion.convert(modelAt: source, to: narrow)
      let golden = try TensorFile.read(contentsOf: Fixtures.path("blocks/bottleneck.npz"))
      let input = try #require(golden.first { $0.name.hasPrefix("inputs/") }).tensor
      let expected = try await Model(contentsOf: wide).run(input)
      let error = try await Model(contentsOf: narrow).run(input).error(against: expected)
      #expect(error > 0 && error < tolerance)
    }
  }

  @Test func nothingIsLeftOfAConversionThatFails() async throws {
    try await Fixtures.withFolder { folder in
      let output = folder + "/model.rbn"
      var labels = ModelConversion()
      labels.labels = ["a"]
      labels.preprocessing = try Model(contentsOf: Fixtures.path("digits/digits-rbn.rbn")).preprocessing
      var golden = ModelConversion()
      golden.goldenPath = Fixtures.path("digits/heldout.npz")
      var dtype = ModelConversion()
      dtype.weightDType = .int8
      let cases: [(ModelConversion, String, RBNError.Subject)] = [
        (labels, Fixtures.digits, .model), (golden, Fixtures.digits, .input),
        (dtype, Fixtures.digits, .usage),
        (ModelConversion(), Fixtures.path("digits/heldout.npz"), .model),
      ]
      for (conversion, source, subject) in cases {
        let error = await Fixtures.error { try await conversion.convert(modelAt: source, to: output) }
        #expect(error?.subject == subject)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
      }
      let nowhere = await Fixtures.error {
        try await ModelConversion().convert(modelAt: Fixtures.digits, to: folder + "/no/model.rbn")
      }
      #expect(nowhere?.subject == .system)
    }
  }
}
