import Foundation
import Testing

/// Every malformed model is refused by the command itself: exit status 3 or 4, a message that names the file, nothing
/// on standard output, no crash.
@Suite struct MalformedFileTests {
  static let files: [String] = {
    let folder = Command.fixture("malformed")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { !$0.hasSuffix(".json") && !$0.hasSuffix(".md") }.sorted()
  }()

  @Test func thereAreMalformedFilesOfEveryKind() {
    #expect(Self.files.count > 120)
    for kind in ["checkpoint-", "pt2-"] { #expect(Self.files.count { $0.hasPrefix(kind) } > 40) }
  }

  @Test(arguments: files) func isRefusedWithAMessage(name: String) throws {
    let path = Command.fixture("malformed/\(name)")
    let result = try Command.run(["inspect", path])
    #expect(result.status == 3 || result.status == 4, "status \(result.status)")
    #expect(result.output.isEmpty)
    #expect(result.errors.hasPrefix("rbn: error: \(path): "), "\(result.errors)")
    #expect(try #require(result.errors.firstMatch(of: Self.code)).1.contains("."))
  }

  /// The code that a message ends with.
  nonisolated(unsafe) private static let code = /\[([a-z0-9-]+\.[a-z0-9-]+)\]\n$/

  /// Checkpoints have their code beside them.
  @Test func everyCheckpointHasItsCode() throws {
    let url = URL(fileURLWithPath: Command.fixture("malformed/checkpoint-expected.json"))
    let expected = try JSONDecoder().decode([String: String].self, from: Data(contentsOf: url))
    #expect(expected.count > 80)
    for (name, code) in expected {
      let errors = try Command.run(["inspect", Command.fixture("malformed/\(name)")]).errors
      #expect(errors.firstMatch(of: Self.code).map { String($0.1) } == code, "\(name): \(errors)")
    }
  }

  /// A message that says what is wrong is another one for another defect.
  @Test func everyDefectHasAMessageOfItsOwn() throws {
    var files: [String: [String]] = [:]
    for name in Self.files {
      let path = Command.fixture("malformed/\(name)")
      files[try Command.run(["inspect", path]).errors.replacing(path, with: ""), default: []].append(name)
    }
    // The same defect in files of two formats.
    let shared: Set = [
      ["checkpoint-legacy-missing-storage.pth", "checkpoint-missing-storage.pth"],
      ["checkpoint-empty.pth", "pt2-empty.pt2"], ["checkpoint-noise.pth", "pt2-not-a-zip.pt2"],
      ["checkpoint-truncated.pth", "pt2-truncated.pt2"],
    ]
    #expect(Set(files.values.filter { $0.count > 1 }) == shared)
  }

  // MARK: Inputs

  static let images: [String] = {
    let names =
      (try? FileManager.default.contentsOfDirectory(atPath: Command.fixture("images/malformed"))) ?? []
    return names.filter { $0.hasSuffix(".png") || $0.hasSuffix(".jpg") }.sorted()
  }()

  @Test func theImagesAreThere() { #expect(Self.images.count > 35) }

  @Test(arguments: images) func anImageIsRefusedWithAMessage(name: String) throws {
    let path = Command.fixture("images/malformed/\(name)")
    let result = try Command.run([
      "predict", Command.fixture("digits/digits-rbn.rbn"), path, "--format", "jsonl",
    ])
    #expect(result.status == 4)
    #expect(result.errors.hasPrefix("rbn: error: \(path): "), "\(result.errors)")
    #expect(result.output.contains(#""error":{"code":"image."#), "\(result.output)")
  }

  @Test(arguments: ["bytes", "complex", "date", "object", "structured", "text"])
  func anArrayIsRefusedWithAMessage(kind: String) throws {
    let path = Command.fixture("formats/refused-\(kind).npy")
    let result = try Command.run(["run", Command.fixture("digits/digits-rbn.rbn"), "--input", path])
    #expect(result.status == 4)
    #expect(result.errors.hasPrefix("rbn: error: \(path): "), "\(result.errors)")
  }
}
