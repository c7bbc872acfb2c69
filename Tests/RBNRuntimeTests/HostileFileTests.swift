import Foundation
import RBNRuntime
import Testing

/// What files can do to the library: refused ones, several loads of one, one that shrinks.
@Suite struct HostileFileTests {
  private static func table(_ kind: String) throws -> [[String]] {
    let data = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("malformed/\(kind)-expected.json")))
    return try JSONDecoder().decode([String: String].self, from: data).sorted { $0.key < $1.key }
      .map { [$0.key, $0.value] }
  }

  @Test func theSoundBundleIsRead() async throws {
    let model = try Model(contentsOf: Fixtures.path("formats/tiny.rbn"))
    let output = try await model.run(try Tensor.zeros([1, 2, 4, 4]))
    #expect(output.shape == [1, 3, 4, 4])
  }

  @Test(arguments: try table("bundle") + table("pt2")) func malformedNetwork(nameAndCode: [String])
    async throws
  {
    let path = Fixtures.path("malformed/\(nameAndCode[0])")
    let error = try #require(await Fixtures.error { _ = try await ModelInspection.inspect(contentsOf: path) })
    #expect(error.code.rawValue == nameAndCode[1], "\(error)")
    #expect(error.file == path)
  }

  /// What people meet first: each error says what it is about, and what to do.
  @Test(arguments: [
    (
      "unknown-ops",
      [
        "aten.digamma.default (5 times, first in layer1.0)",
        "aten.lgamma.default (2 times, first in layer1.2)",
        "run_decompositions()",
      ]
    ),
    ("training", ["training mode", "model.eval()"]), ("training-dropout", ["training mode", "model.eval()"]),
    ("schema-major-9", ["major version 9", "newer version of this package"]),
    ("schema-major-6", ["major version 6", "torch: 2.5 or later"]),
    ("flat-schema-6", ["major version 6", "torch: 2.5 or later"]),
    ("flat-foreign-object", ["serialized_state_dict.pt", "conv.weight", "not a tensor"]),
  ])
  func errorsOfExportedProgramsSayWhatToDo(name: String, parts: [String]) async throws {
    let path = Fixtures.path("malformed/pt2-\(name).pt2")
    let error = try #require(await Fixtures.error { _ = try Model(contentsOf: path) })
    let text = error.description
    for part in parts { #expect(text.contains(part), "\(text)") }
    #expect(error.advice != nil)
  }

  @Test func oneFileLoadedBySeveralAtOnce() async throws {
    let batch = try #require(try Fixtures.heldOut()["inputs"]).rows(0, 4)
    for file in Fixtures.digitsFiles {
      let expected = try await Model(contentsOf: file).run(batch)
      try await withThrowingTaskGroup(of: Tensor.self) { group in
        for _ in 0..<8 {
          group.addTask { try await Model.load(contentsOf: file).run(batch) }
        }
        for try await output in group {
          #expect(output.withUnsafeBytes { Array($0) } == expected.withUnsafeBytes { Array($0) }, "\(file)")
        }
      }
    }
  }

  /// A model holds what it needs: its file may go, shrink or change once it is loaded.
  @Test func aLoadedModelNeedsItsFileNoMore() async throws {
    let batch = try #require(try Fixtures.heldOut()["inputs"]).rows(0, 2)
    for file in Fixtures.digitsFiles {
      try await Fixtures.withFolder { folder in
        let copy = folder + "/model"
        try FileManager.default.copyItem(atPath: file, toPath: copy)
        let model = try Model(contentsOf: copy)
        let expected = try await model.run(batch)
        #expect(truncate(copy, 10) == 0)
        let output = try await model.run(batch)
        #expect(output.withUnsafeBytes { Array($0) } == expected.withUnsafeBytes { Array($0) })
        let error = await Fixtures.error { _ = try Model(contentsOf: copy) }
        #expect(error?.subject == .model)
      }
    }
  }

  @Test func truncatedImagesOnRequest() async throws {
    var classifier = try ImageClassifier(model: Model(contentsOf: Fixtures.path("digits/digits-rbn.rbn")))
    let cut = Fixtures.path("images/truncated/grey-cut-at-80.png")
    #expect(await Fixtures.error { _ = try await classifier.classify(imageAt: cut) }?.code == .pngTruncated)
    classifier.imageLimits.allowsTruncated = true
    #expect(try await classifier.classify(imageAt: cut).count == 5)
  }

  @Test func scanOfAFile() async throws {
    let sound = try await FileScan.scan(contentsOf: Fixtures.path("digits/digits-rbn.pth"))
    #expect(sound.verdict == .onlyData && sound.findings.isEmpty && sound.pickleCount == 1)
    let unsafe = try await FileScan.scan(contentsOf: Fixtures.path("malformed/checkpoint-os-system.pth"))
    #expect(unsafe.verdict == .notOnlyData)
    #expect(unsafe.findings.map(\.concern) == [.unsafe] && unsafe.findings.map(\.name) == ["system"])
    let unknown = try await FileScan.scan(contentsOf: Fixtures.path("malformed/checkpoint-noise.pth"))
    #expect(unknown.verdict == .unknown && unknown.problems.count == 1)
  }
}
