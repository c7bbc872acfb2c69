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
      ("weights/akamaster-resnet20-12fca82f.th", 97, 271098, 139.78264955982084, 21349.562590950627),
      ("weights/pnet.pt", 13, 6632, -43.12531704072171, 988.1674274024772),
      ("weights/rnet.pt", 16, 100178, -178.50655001851723, 2540.0628005314916),
      ("weights/onet.pt", 21, 389040, -354.4394963189432, 5233.078572417723),
      (
        "corpora/picklescan/tests/data/\(CheckpointCorpus.intact)", 38, 59114, 9.359105535181023,
        1588.7423542311697
      ),
    ]

  @Test(arguments: weights.indices) func realWeightsAreThoseOfTorch(index: Int) throws {
    let expected = Self.weights[index]
    let path = CheckpointFixtures.shared.appendingPathComponent(expected.file).path
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

  /// What each file of the scanner's corpus gives as a checkpoint: an error, but for the one that is a checkpoint.
  @Test func nothingMaliciousIsTakenForWeights() throws {
    for url in try CheckpointCorpus.scannerFiles() where url.lastPathComponent != CheckpointCorpus.intact {
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
  /// A language model's weights in the legacy stream, which the scanner must find nothing in.
  static let intact = "pytorch_model.bin"

  static var isThere: Bool { FileManager.default.fileExists(atPath: CheckpointFixtures.shared.path) }

  static func scannerFiles() throws -> [URL] {
    let tests = CheckpointFixtures.shared.appendingPathComponent("corpora/picklescan/tests")
    return try ["data", "data2"].flatMap { folder in
      try FileManager.default.contentsOfDirectory(
        at: tests.appendingPathComponent(folder), includingPropertiesForKeys: nil)
    }.sorted { $0.path < $1.path }
  }

  static let harmless = [
    "benign0_v3.pkl: a list of 3 values",
    "benign0_v4.pkl: a list of 3 values",
    "malicious17.pkl: an object of torch._inductor.codecache.compile_file",
    "malicious19.pkl: an object of an unknown class",
    "malicious4.pickle: an object of requests.api.get",
    "malicious5.pickle: an object of aiohttp.client.ClientSession",
    "malicious6.pkl: a list of 3 values",
    "pytorch_model.bin: an integer of 10 bytes",
    "GHSA-4r9r-ch6f-vxmx.pkl: an object of torch.utils.bottleneck.__main__.run_cprofile",
    "GHSA-4whj-rm5r-c2v8.pkl: an object of torch.utils.bottleneck.__main__.run_autograd_prof",
    "GHSA-86cj-95qr-2p4f.pkl: an object of torch._dynamo.guards.GuardBuilder.get",
    "GHSA-f4x7-rfwp-v3xw.pkl: an object of torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression",
    "GHSA-f745-w6jp-hpxx.pkl: an object of torch.utils.collect_env.run",
    "GHSA-g38g-8gr9-h9xp-test.pkl: an object of test.support.script_helper.assert_python_ok",
    "GHSA-g38g-8gr9-h9xp-uuid.pkl: an object of uuid._get_command_stdout",
    "GHSA-h3qp-7fh3-f8h4.pkl: an object of torch.utils.data.datapipes.utils.decoder.basichandlers",
    "GHSA-jhph-76pp-mggw.pkl: an object of torch.utils.collect_env.run_and_read_all",
    "GHSA-r8g5-cgf2-4m4m.pkl: an object of numpy.f2py.crackfortran.getlincoef",
    "GHSA-vr7h-p6mm-wpmh.pkl: an object of torch.jit.unsupported_tensor_ops.execWrapper",
    "GHSA-vv6j-3g6g-2pvj.pkl: an object of torch.utils._config_module.ConfigModule.load_config",
    "cloudpickle_codeinjection.pkl: an object of an unknown class",
    "io_FileIO.pkl: an object of _io.FileIO",
    "logging_FileHandler.pkl: an object of logging.FileHandler",
    "malicious22.pkl: an object of numpy.testing._private.utils.runstring",
    "urllib_request_urlopen.pkl: an object of urllib.request.urlopen",
  ]
}
