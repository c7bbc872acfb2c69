import Foundation
import Testing

/// `tools/array_job.sh`, which shares out a list of images to the tasks of an array job.
@Suite struct ArrayJobTests {
  private static func shell(_ script: String, _ folder: URL) throws -> Int32 {
    let job = Command.root.appendingPathComponent("tools/array_job.sh").path
    let model = Command.fixture("digits/digits-rbn.rbn")
    return try Command.shell(
      "export RBN; JOB='\(job)'; MODEL='\(model)'; cd '\(folder.path)' || exit; \(script)"
    ).status
  }

  @Test func theTasksTogetherGiveWhatOneRunGives() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("rbn-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let images = try FileManager.default.contentsOfDirectory(atPath: Command.fixture("digits/images"))
      .sorted()
      .map { Command.fixture("digits/images/\($0)") }
    // One of them can't be used, which its line says.
    let list = images + [Command.fixture("digits/labels.txt")]
    try Data((list.joined(separator: "\n") + "\n").utf8).write(to: folder.appendingPathComponent("list"))
    let job = "seq 0 3 | xargs -P 2 -I{} \"$JOB\" \"$MODEL\" list out {} 4"
    #expect(try Self.shell(job, folder) == 0)
    let lines = try (0..<4).map { task in
      try String(contentsOf: folder.appendingPathComponent("out/\(task).jsonl"), encoding: .utf8)
        .split(separator: "\n").map(String.init)
    }
    let whole = try Command.run(
      ["predict", Command.fixture("digits/digits-rbn.rbn"), "-", "--format", "jsonl"],
      input: list.joined(separator: "\n"))
    let expected = whole.output.split(separator: "\n").map(String.init)
    #expect(expected.count == list.count)
    for (index, line) in expected.enumerated() where lines[index % 4].count > index / 4 {
      #expect(lines[index % 4][index / 4] == line)
    }
    #expect(lines.map(\.count).reduce(0, +) == expected.count)
    #expect(lines.joined().filter { $0.contains("\"error\"") }.count == 1)
    // What is done is not done again; what is not, is.
    try Data("kept\n".utf8).write(to: folder.appendingPathComponent("out/0.jsonl"))
    try FileManager.default.removeItem(at: folder.appendingPathComponent("out/1.jsonl"))
    #expect(try Self.shell(job, folder) == 0)
    #expect(try Data(contentsOf: folder.appendingPathComponent("out/0.jsonl")) == Data("kept\n".utf8))
    let again = try String(contentsOf: folder.appendingPathComponent("out/1.jsonl"), encoding: .utf8)
    #expect(again.split(separator: "\n").map(String.init) == lines[1])
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent("out").path).count
        == 4)
  }

  @Test func wrongUseLeavesNothing() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("rbn-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    #expect(try Self.shell("\"$JOB\"", folder) == 2)
    #expect(try Self.shell("\"$JOB\" \"$MODEL\" list out 4 4", folder) == 2)
    try Data("x.png\n".utf8).write(to: folder.appendingPathComponent("list"))
    #expect(try Self.shell("\"$JOB\" /nowhere.rbn list out 0 1", folder) == 3)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent("out").path).isEmpty)
  }
}
