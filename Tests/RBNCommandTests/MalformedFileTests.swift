import Foundation
import Testing

/// Every malformed file is refused by the command itself: exit status 3 or 4, a message that names the file, nothing on
/// standard output, no crash, and no more memory than the file's size and 64 MB.
@Suite struct MalformedFileTests {
  private static func names(_ folder: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: Command.fixture(folder))) ?? []
    return names.filter { name in ![".json", ".md", ".txt"].contains { name.hasSuffix($0) } }.sorted()
  }

  static let files = names("malformed")
  static let images = names("images/malformed")

  /// The command that reads a file: as a model, as the input of a model, as an image.
  private static func arguments(_ name: String) -> [String] {
    let path = Command.fixture("malformed/\(name)")
    let isArray = name.hasPrefix("npy-") || name.hasPrefix("npz-")
    return isArray ? ["run", CommandTests.digits, "--input", path] : ["inspect", path]
  }

  private func expectRefusal(_ result: Command.Result, of path: String) throws {
    #expect(result.status == 3 || result.status == 4, "status \(result.status)")
    #expect(result.errors.hasPrefix("rbn: error: \(path): "), "\(result.errors)")
    #expect(try #require(result.errors.firstMatch(of: Self.code)).1.contains("."))
    let size = try #require(
      try FileManager.default.attributesOfItem(atPath: path)[.size] as? NSNumber, "no size"
    ).intValue
    let peak = try #require(result.peakByteCount, "the memory was not measured")
    // Sanitizers hold shadows of all memory.
    #expect(peak < size + 64_000_000 || Command.isSanitized, "\(peak) bytes of memory")
    #expect(peak > 1_000_000, "\(peak) bytes can't be all that the command took")
  }

  @Test func thereAreMalformedFilesOfEveryKind() {
    #expect(Self.files.count > 290)
    for (kind, count) in [("checkpoint-", 80), ("pt2-", 40), ("bundle-", 80), ("zip-", 50), ("npy-", 20)] {
      #expect(Self.files.count { $0.hasPrefix(kind) } >= count, "\(kind)")
    }
    #expect(Self.images.count > 40)
  }

  @Test(arguments: files) func isRefusedWithAMessage(name: String) throws {
    let result = try Command.runMeasured(Self.arguments(name))
    #expect(result.output.isEmpty)
    try expectRefusal(result, of: Command.fixture("malformed/\(name)"))
  }

  @Test(arguments: images) func imageIsRefusedWithAMessage(name: String) throws {
    let path = Command.fixture("images/malformed/\(name)")
    let result = try Command.runMeasured(["predict", CommandTests.digits, path, "--format", "jsonl"])
    #expect(result.status == 4)
    #expect(result.output.contains(#""error":{"code":"image."#), "\(result.output)")
    try expectRefusal(result, of: path)
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
    let codes = try ["zip", "numpy", "bundle"].reduce(into: [String: String]()) { codes, kind in
      let data = try Data(
        contentsOf: URL(fileURLWithPath: Command.fixture("malformed/\(kind)-expected.json")))
      codes.merge(try JSONDecoder().decode([String: String].self, from: data)) { first, _ in first }
    }
    var files: [String: [String]] = [:]
    for name in Self.files {
      let path = Command.fixture("malformed/\(name)")
      files[try Command.run(Self.arguments(name)).errors.replacing(path, with: ""), default: []].append(name)
    }
    // Several ways to break one rule may share its message.
    let several = files.values.filter { names in
      names.count > 1 && !(names.allSatisfy { codes[$0] != nil } && Set(names.map { codes[$0] }).count == 1)
    }
    // The same defect in files of two formats, or layouts.
    let shared: Set = [
      ["checkpoint-legacy-missing-storage.pth", "checkpoint-missing-storage.pth"],
      ["checkpoint-empty.pth", "pt2-empty.pt2"],
      ["checkpoint-noise.pth", "pt2-not-a-zip.pt2", "zip-bytes-before.pth", "zip-not-a-zip.pth"],
      ["checkpoint-truncated.pth", "pt2-truncated.pt2", "zip-ends-early.pth"],
      ["pt2-flat-weight-missing.pt2", "pt2-weight-not-described.pt2"],
    ]
    #expect(Set(several) == shared)
  }

  // MARK: Inputs

  @Test(arguments: ["bytes", "complex", "date", "object", "structured", "text"])
  func anArrayIsRefusedWithAMessage(kind: String) throws {
    let path = Command.fixture("formats/refused-\(kind).npy")
    let result = try Command.run(["run", Command.fixture("digits/digits-rbn.rbn"), "--input", path])
    #expect(result.status == 4)
    #expect(result.errors.hasPrefix("rbn: error: \(path): "), "\(result.errors)")
  }
}
