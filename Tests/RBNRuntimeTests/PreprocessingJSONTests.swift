import RBNRuntime
import Testing

@Suite struct PreprocessingJSONTests {
  static let samples: [ImagePreprocessing] = [
    .torchvision, .timm(size: 240), ImagePreprocessing(),
    ImagePreprocessing(
      resize: .squash(height: 8, width: 9), interpolation: .nearest, mean: [0.3], standardDeviation: [0.375],
      channels: 1),
    ImagePreprocessing(
      resize: .shorterEdge(3), crop: .init(height: 5, width: 7), appliesEXIFOrientation: true),
  ]

  @Test(arguments: samples) func readsWhatItWrites(sample: ImagePreprocessing) throws {
    #expect(try ImagePreprocessing(json: sample.json) == sample)
  }

  @Test func writesTheNumbersThatWereMeant() {
    #expect(ImagePreprocessing.torchvision.json.contains("0.485"))
    #expect(!ImagePreprocessing.torchvision.json.contains("0.48500"))
  }

  @Test(arguments: [
    "", "[]", "{}", #"{"resize": {"mode": "none"}}"#,
    #"{"resize": {"mode": "stretch"}, "interpolation": "bilinear", "crop": null, "mean": [0], "std": [1], "channels": 1}"#,
    #"{"resize": {"mode": "none"}, "interpolation": "lanczos", "crop": null, "mean": [0], "std": [1], "channels": 1}"#,
    #"{"resize": {"mode": "none"}, "interpolation": "nearest", "crop": [1], "mean": [0], "std": [1], "channels": 1}"#,
    #"{"resize": {"mode": "none"}, "interpolation": "nearest", "crop": null, "mean": [0], "std": [0], "channels": 1}"#,
    #"{"resize": {"mode": "none"}, "interpolation": "nearest", "crop": null, "mean": [0, 1], "std": [1], "channels": 1}"#,
    #"{"resize": {"mode": "none"}, "interpolation": "nearest", "crop": null, "mean": [0], "std": [1], "channels": 2}"#,
    #"{"resize": {"mode": "shorter-edge", "size": -1}, "interpolation": "nearest", "crop": null, "mean": [0], "std": [1], "channels": 1}"#,
    #"{"resize": {"mode": "none"}, "interpolation": "nearest", "crop": null, "mean": [0], "std": [1], "channels": 1, "gamma": 2}"#,
  ]) func refusesWhatMakesNoSense(json: String) async {
    let error = await Fixtures.error { _ = try ImagePreprocessing(json: json) }
    #expect(error?.subject == .usage, "\(json)")
  }
}
