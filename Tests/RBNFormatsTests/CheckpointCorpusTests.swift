import Foundation
import RBNTensor
import Testing

@testable import RBNFormats

/// Checkpoints and pickles of other projects, which lie beside the checkout and not in it.
@Suite(.enabled(if: CheckpointCorpus.isThere, "the data beside the checkout are absent"))
struct CheckpointCorpusTests {
  /// Counts and sums as torch.load(weights_only=True) gives them: tensors, elements, the sum of the elements and
  /// the sum of their magnitudes, in float64.
  private static let weights: [(file: String, tensors: Int, elements: Int, sum: Double, magnitude: Double)] =
    [
      ("akamaster-resnet20-12fca82f.th", 97, 271098, 139.78264955982084, 21349.562590950627),
      ("pnet.pt", 13, 6632, -43.12531704072171, 988.1674274024772),
      ("rnet.pt", 16, 100178, -178.50655001851723, 2540.0628005314916),
      ("onet.pt", 21, 389040, -354.4394963189432, 5233.078572417723),
    ]

  @Test(arguments: weights.indices) func realWeightsAreThoseOfTorch(index: Int) throws {
    let expected = Self.weights[index]
    let path = CheckpointFixtures.shared.appendingPathComponent("weights/\(expected.file)").path
    let state = try Checkpoint.readStateDict(from: path)
    #expect(state.entries.count == expected.tensors)
    #expect(state.entries.reduce(0) { $0 + $1.tensor.count } == expected.elements)
    var sum = 0.0
    var magnitude = 0.0
    for entry in state.entries {
      for value in entry.tensor.doubles {
        sum += value
        magnitude += abs(value)
      }
    }
    // Summed in another order: rounding of a float64 sum of this many terms.
    let tolerance = expected.magnitude * 1e-12
    #expect(abs(sum - expected.sum) <= tolerance)
    #expect(abs(magnitude - expected.magnitude) <= tolerance)
  }

  @Test func trainingCheckpointOfAkamaster() throws {
    let path = CheckpointFixtures.shared.appendingPathComponent("weights/akamaster-resnet20-12fca82f.th").path
    let state = try Checkpoint.readStateDict(from: path)
    #expect(state.path == "state_dict")
    #expect(state.strippedPrefix == "module.")
    #expect(state["conv1.weight"]?.shape == [16, 3, 3, 3])
    #expect(state["linear.bias"]?.shape == [10])
  }

  @Test func checkpointsOfCandle() throws {
    let folder = CheckpointFixtures.shared.appendingPathComponent("corpora/candle/candle-core/tests")
    func tensor(_ file: String, _ key: String) throws -> Tensor {
      try #require(try Checkpoint.readStateDict(from: folder.appendingPathComponent(file).path)[key])
    }
    for file in ["test.pt", "test_with_key.pt"] {
      let found = try tensor(file, "test")
      #expect(found.shape == [2, 4])
      #expect(found.dtype == .int64)
      #expect(found.doubles == (1...8).map(Double.init))
    }
    let fortran = try tensor("fortran_tensor_3d.pth", "tensor_fortran")
    #expect(fortran.shape == [2, 3, 4])
    #expect(fortran.doubles == (1...24).map(Double.init))
  }

  /// What each file of the scanner's corpus gives as a checkpoint: an error, but for two.
  @Test func nothingMaliciousIsTakenForWeights() throws {
    for url in try CheckpointCorpus.scannerFiles() {
      let error = rbnError { _ = try Checkpoint.readStateDict(from: url.path) }
      #expect(error != nil, "\(url.lastPathComponent)")
      #expect(error?.file == url.path)
      #expect(error?.subject == .model, "\(url.lastPathComponent)")
    }
  }

  /// The same files given to the unpickler itself, past the check of their kind.
  ///
  /// Those that are read give names and calls that stay symbols: modules of third parties (`torch`, `numpy`,
  /// `aiohttp`, …) whose functions would be dangerous to call and are not called here.
  @Test func nothingMaliciousIsMoreThanASymbol() throws {
    var harmless: [String] = []
    for url in try CheckpointCorpus.scannerFiles() {
      let source = try ByteSource(path: url.path, subject: .model)
      var pickle: Pickle?
      let error = rbnError { pickle = try Unpickler.read(source, name: "pickle") }
      if let error { #expect(error.code.rawValue.hasPrefix("pickle."), "\(url.lastPathComponent): \(error)") }
      if let pickle { harmless.append("\(url.lastPathComponent): \(pickle.summary(pickle.root))") }
    }
    #expect(harmless == CheckpointCorpus.harmless)
  }
}

enum CheckpointCorpus {
  static var isThere: Bool { FileManager.default.fileExists(atPath: CheckpointFixtures.shared.path) }

  static func scannerFiles() throws -> [URL] {
    let tests = CheckpointFixtures.shared.appendingPathComponent("corpora/picklescan/tests")
    return try ["data", "data2"].flatMap { folder in
      try FileManager.default.contentsOfDirectory(
        at: tests.appendingPathComponent(folder), includingPropertiesForKeys: nil)
    }.sorted { $0.path < $1.path }
  }

  static let harmless: [String] = []
}
