import Foundation
import RBNTensor
import Testing

@testable import RBNFormats

@Suite struct BundleTests {
  private static func sample() throws -> ModelBundle {
    var manifest = BundleManifest()
    manifest.producer = [("name", "tests"), ("version", "1")]
    manifest.inputs = [.init(name: "x", dtype: .float32, shape: [nil, 3, 8, 8])]
    manifest.outputs = ["logits"]
    manifest.preprocessing = ["resize": 256, "mean": [0.485, 0.456, 0.406]]
    manifest.provenance = [("licence", "Apache-2.0")]
    let kernel = try Tensor(shape: [2, 3], scalars: [0, 1.5, -2, 1.0 / 3, 65504, 1e-8])
    let counter = try Tensor(shape: [], dtype: .int64) { $0.storeBytes(of: 7, as: Int64.self) }
    return ModelBundle(
      manifest: manifest, graph: ["nodes": [["op": "aten.relu"]]],
      weights: [
        ("fc.weight", kernel), ("fc.bias", try Tensor(shape: [3], scalars: [1e-8, 1.0 / 3, 1e30])),
        ("tied.weight", kernel), ("bn.num_batches_tracked", counter),
      ], labels: ["cat", "", "größer, \"quoted\""], golden: [("layer1.0", kernel), ("out", kernel)])
  }

  private func expectEqual(_ tensor: Tensor, _ expected: [Float], _ comment: Comment? = nil) {
    #expect(tensor.dtype == .float32 && tensor.floats == expected, comment)
  }

  @Test func labelsAreBounded() throws {
    var sample = try Self.sample()
    sample.labels = [String](repeating: "x", count: ModelBundle.maximumLabelCount)
    #expect(try ModelBundle.read(bytes: sample.bytes()).labels?.count == ModelBundle.maximumLabelCount)
    sample.labels?.append("y")
    #expect(code { _ = try sample.bytes() } == .malformedBundle)
    let refused = try spoiled(following: true) { entries in
      for index in entries.indices where entries[index].name == "labels.txt" {
        entries[index].bytes = [UInt8](repeating: 10, count: ModelBundle.maximumLabelCount + 1)
      }
    }
    #expect(refused == .malformedBundle)
  }

  @Test func writtenIsRead() throws {
    let folder = try ScratchFolder()
    let sample = try Self.sample()
    try sample.write(to: folder.file("a.rbn"))
    let bundle = try ModelBundle.read(from: folder.file("a.rbn"))
    #expect(bundle.manifest.inputs == sample.manifest.inputs && bundle.manifest.outputs == ["logits"])
    #expect(bundle.manifest.producer.map(\.value) == ["tests", "1"])
    #expect(bundle.manifest.provenance.map(\.key) == ["licence"])
    #expect(bundle.graph == sample.graph && bundle.preprocessing == sample.preprocessing)
    #expect(bundle.labels == sample.labels)
    #expect(bundle.weights.map(\.key) == sample.weights.map(\.key))
    for (read, written) in zip(bundle.weights, sample.weights) {
      #expect(read.tensor.dtype == written.tensor.dtype && read.tensor.shape == written.tensor.shape)
      #expect(read.tensor.withUnsafeBytes { Array($0) } == written.tensor.withUnsafeBytes { Array($0) })
    }
    #expect(bundle.weights[0].tensor.storage === bundle.weights[2].tensor.storage)
    #expect(bundle.golden.map(\.name) == ["layer1.0", "out"])
    expectEqual(bundle.golden[1].tensor, sample.weights[0].tensor.floats)
    #expect(bundle.identity?.count == 64)
    #expect(folder.contents == ["a.rbn"])
    #expect(try Array(Data(contentsOf: URL(fileURLWithPath: folder.file("a.rbn")))) == sample.bytes())
    #expect(try bundle.bytes() == sample.bytes())
  }

  @Test(arguments: [DType.float16, .bfloat16]) func narrowWeights(dtype: DType) throws {
    let sample = try Self.sample()
    let bundle = try ModelBundle.read(bytes: sample.bytes(storingWeightsAs: dtype))
    let expected = try sample.weights[0].tensor.converted(to: dtype).floats
    expectEqual(bundle.weights[0].tensor, expected)
    expectEqual(bundle.weights[1].tensor, [1e-8, 1.0 / 3, 1e30], "vectors are not narrowed")
    #expect(bundle.weights[3].tensor.dtype == .int64)
  }

  @Test func narrowingIsChecked() throws {
    var sample = try Self.sample()
    #expect(code { _ = try sample.bytes(storingWeightsAs: .float64) } == .bundleDType)
    sample.weights = [("w", try Tensor(shape: [2, 2], scalars: [1, 2, 3, 70000]))]
    #expect(code { _ = try sample.bytes(storingWeightsAs: .float16) } == .bundleWeightRange)
    sample.weights = [("w", try Tensor(shape: [2, 2], scalars: [1, 2, .infinity, .nan]))]
    let back = try ModelBundle.read(bytes: sample.bytes(storingWeightsAs: .float16)).weights[0].tensor.floats
    #expect(back[2] == .infinity && back[3].isNaN)
  }

  @Test func everyHalfIsWidenedExactly() throws {
    for dtype in [DType.float16, .bfloat16] {
      let all = try Tensor(shape: [65536], dtype: dtype) { bytes in
        for index in 0..<65536 {
          bytes.storeBytes(of: UInt16(index), toByteOffset: index * 2, as: UInt16.self)
        }
      }
      let wide = try Widening.float32(all).floats
      for (index, value) in all.floats.enumerated() {
        #expect(
          value.isNaN ? wide[index].isNaN : value.bitPattern == wide[index].bitPattern, "\(dtype) \(index)")
      }
    }
  }

  // MARK: Refusals

  /// The entries of the sample, with some of them changed and the manifest not following unless it is told to.
  private func spoiled(
    following: Bool = false, _ change: (inout [(name: String, bytes: [UInt8])]) throws -> Void
  ) throws -> RBNError.Code? {
    let archive = try ZipArchive(bytes: TensorStorage(copying: try Self.sample().bytes()))
    var entries = try archive.entries.map { (name: $0.name, bytes: try archive.read($0).array) }
    try change(&entries)
    if following {
      var root = try JSONValue.parse(entries[0].bytes, document: "manifest.json")
      guard case .object(var manifest) = root else { return nil }
      let list = try entries.dropFirst().map { name, bytes -> (String, JSONValue) in
        (name, ["sha256": .string(try SHA256.hexDigest(of: bytes)), "bytes": .int(Int64(bytes.count))])
      }
      manifest["entries"] = .object(JSONObject(list))
      root = .object(manifest)
      entries[0].bytes = Array(root.text().utf8)
    }
    var writer = ZipArchiveWriter()
    for (name, bytes) in entries { try writer.add(name, bytes) }
    let bytes = try writer.close()
    return code { _ = try ModelBundle.read(bytes: bytes) }
  }

  private func replace(
    _ entries: inout [(name: String, bytes: [UInt8])], _ index: Int, _ old: String, _ new: String
  ) {
    let text = String(decoding: entries[index].bytes, as: UTF8.self)
    #expect(text.contains(old))
    entries[index].bytes = Array(text.replacingOccurrences(of: old, with: new).utf8)
  }

  @Test func manifestRules() throws {
    #expect(try spoiled { _ in } == nil)
    #expect(try spoiled(following: true) { _ in } == nil)
    #expect(try spoiled { replace(&$0, 0, "swift-rbn bundle", "other bundle") } == .notABundle)
    #expect(
      try spoiled { replace(&$0, 0, "\"format_version\": 1", "\"format_version\": 2") } == .bundleVersion)
    #expect(try spoiled { replace(&$0, 0, "\"producer\"", "\"later\": {}, \"producer\"") } == nil)
    #expect(try spoiled { replace(&$0, 0, "\"outputs\"", "\"outputz\"") } == .unexpectedJSON)
    #expect(try spoiled { replace(&$0, 0, "\"float32\"", "\"float31\"") } == .bundleDType)
    #expect(try spoiled { replace(&$0, 0, "\"bytes\": ", "\"bytes\": 1") } == .bundleEntrySize)
    #expect(try spoiled { replace(&$0, 0, "\"labels.txt\",", "\"none.txt\",") } == .missingBundleEntry)
    #expect(try spoiled { $0.swapAt(0, 1) } == .notABundle)
  }

  @Test func entryRules() throws {
    #expect(try spoiled { $0.append(("extra", [1])) } == .unlistedBundleEntry)
    #expect(try spoiled { $0.removeLast() } == .missingBundleEntry)
    #expect(try spoiled { $0[1].bytes.append(0x20) } == .bundleEntrySize)
    for index in 1..<9 {
      #expect(try spoiled { $0[index].bytes[0] ^= 1 } == .bundleDigest)
    }
    #expect(try spoiled(following: true) { $0.removeAll { $0.name == "graph.json" } } == .missingBundleEntry)
    #expect(try spoiled(following: true) { $0.append(("golden/x.txt", [1])) } == .malformedBundle)
    #expect(try spoiled(following: true) { $0.append(("golden/x.npy", [1])) } == .malformedNumPy)
    #expect(try spoiled(following: true) { $0[3].bytes = [0xFF, 0xFE] } == .malformedBundle)
  }

  @Test func weightRules() throws {
    #expect(try spoiled(following: true) { replace(&$0, 2, "[2,3]", "[2,4]") } == .bundleWeightSize)
    #expect(try spoiled(following: true) { replace(&$0, 2, "[2,3]", "[2,-3]") } == .unexpectedJSON)
    #expect(
      try spoiled(following: true) { replace(&$0, 2, "[2,3]", "[4611686018427387904,3]") }
        == .bundleWeightSize)
    #expect(try spoiled(following: true) { replace(&$0, 2, "\"int64\"", "\"int63\"") } == .bundleDType)
    #expect(
      try spoiled(following: true) { replace(&$0, 2, "\"stored\":\"int64\"", "\"stored\":\"float16\"") }
        == .bundleDType)
    #expect(try spoiled(following: true) { replace(&$0, 2, "weights/1", "weights/9") } == .missingBundleEntry)
    let shared = "\"entry\":\"weights/0\",\"dtype\":\"float32\",\"stored\":\"float32\",\"shape\":[3]"
    #expect(
      try spoiled(following: true) {
        replace(
          &$0, 2, "\"entry\":\"weights/1\",\"dtype\":\"float32\",\"stored\":\"float32\",\"shape\":[3]", shared
        )
      } == .bundleWeightSize)
  }

  @Test func otherFiles() throws {
    #expect(code { _ = try ModelBundle.read(from: TestData.fixture("state.pth")) } == .notABundle)
    #expect(code { _ = try ModelBundle.read(from: TestData.fixture("version1.npy")) } == .notAZip)
    #expect(code { _ = try ModelBundle.read(from: TestData.fixture("none")) } == .unreadableFile)
  }

  @Test func damageNeverCrashes() throws {
    let bytes = try Self.sample().bytes()
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<500 {
      var spoiled = bytes
      spoiled[Int.random(in: 0..<bytes.count, using: &generator)] ^= UInt8.random(
        in: 1...255, using: &generator)
      let failure = code { _ = try ModelBundle.read(bytes: spoiled) }
      #expect(failure != RBNError.Code("test.foreign-error"))
    }
  }

  @Test(arguments: [0, 2]) func hostileDocumentsNeverCrash(index: Int) throws {
    var generator = SeededGenerator(seed: 8)
    var refused = 0
    for _ in 0..<300 {
      let failure = try spoiled(following: index != 0) { entries in
        let root = try JSONValue.parse(entries[index].bytes, document: entries[index].name)
        entries[index].bytes = Array(root.mutated(using: &generator).text().utf8)
      }
      #expect(failure != RBNError.Code("test.foreign-error"))
      if failure != nil { refused += 1 }
    }
    #expect(refused > 100)
  }

  @Test func digestIsSHA256() throws {
    // FIPS 180-4, the example "abc".
    #expect(
      try SHA256.hexDigest(of: Array("abc".utf8))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      try SHA256.hexDigest(of: []) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  }
}
