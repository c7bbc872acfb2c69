import Foundation
import Testing

@Suite struct ScanCommandTests {
  private static let sound = Command.fixture("checkpoints/plain.pth")
  private static let unsafe = Command.fixture("malformed/checkpoint-os-system.pth")
  private static let foreign = Command.fixture("malformed/checkpoint-whole-model.pth")
  private static let unreadable = Command.fixture("malformed/checkpoint-hdf5.pth")

  @Test func onlyDataIsExitStatus0() throws {
    let result = try Command.run(["scan", Self.sound, Command.fixture("digits/digits-rbn.rbn")])
    #expect(result.status == 0 && result.errors.isEmpty)
    #expect(result.output.split(separator: "\n").count == 2)
    #expect(result.output.hasPrefix("\(Self.sound): only data (a checkpoint of torch.save)\n"))
  }

  @Test func anythingElseIsNamedWithExitStatus1() throws {
    let result = try Command.run(["scan", Self.sound, Self.unsafe, Self.foreign, Self.unreadable])
    #expect(result.status == 1)
    #expect(result.output.contains("unsafe   os.system  called  (archive/data.pkl, byte "))
    #expect(result.output.contains("foreign  torch.nn.modules.linear.Linear  "))
    #expect(result.output.contains("\(Self.unreadable): not known"))
    #expect(try Command.run(["scan", Self.unreadable]).status == 3)
    #expect(try Command.run(["scan", "/nowhere.pth", Self.sound]).status == 3)
    #expect(try Command.run(["scan", "/nowhere.pth", Self.unsafe]).status == 1)
    #expect(try Command.run(["scan"]).status == 2)
  }

  @Test func findingsAsJSON() throws {
    let result = try Command.run(["scan", Self.unsafe, "--json"])
    #expect(result.status == 1)
    let document = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    #expect(document["schema_version"] as? Int == 1)
    let file = try #require((document["files"] as? [[String: Any]])?.first)
    #expect(file["verdict"] as? String == "not-only-data")
    #expect(file["kind"] as? String == "a checkpoint of torch.save")
    let finding = try #require((file["findings"] as? [[String: Any]])?.first)
    #expect(finding["concern"] as? String == "unsafe")
    #expect(finding["module"] as? String == "os" && finding["name"] as? String == "system")
    #expect(finding["entry"] as? String == "archive/data.pkl" && finding["opcode"] as? String == "GLOBAL")
    #expect(finding["is_called"] as? Bool == true && finding["byte"] is Int)
  }

  /// A name with an escape sequence must not reach the terminal as one.
  @Test func namesAreEscaped() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("rbn-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("x.pkl")
    try Data("cos\u{1B}[2J\nsystem\n(tR.".utf8).write(to: file)
    let result = try Command.run(["scan", file.path])
    #expect(!result.output.utf8.contains(0x1B))
  }
}
