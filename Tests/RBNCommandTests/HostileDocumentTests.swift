import Foundation
import RBNFormats
import Testing

/// JSON that takes many times its length in memory, in a bundle: refused within the bundle's size and 64 MB.
@Suite struct HostileDocumentTests {
  private static let byteCount = 24 << 20

  /// What is repeated between two ends; `#` is a number that counts.
  static let documents: [(name: String, start: String, unit: String, end: String)] = [
    ("arrays", "[", "[],", "0]"), ("objects", "[", "{},", "0]"), ("members", "[", "{\"\":0},", "0]"),
    ("nested arrays", "[", "[[[[]]]],", "0]"), ("numbers", "[", "0,", "0]"), ("nulls", "[", "null,", "0]"),
    ("strings", "[", "\"\",", "0]"), ("long strings", "[", "\"0123456789abcdef\",", "0]"),
    ("one string", "\"", "0123456789abcdef", "\""), ("escapes", "\"", "\\n", "\""),
    ("one key", "{\"", "0123456789abcdef", "\":0}"), ("one number", "0.", "0", "1"),
    ("keys", "{", "\"#\":0,", "\"\":0}"), ("containers by keys", "{", "\"#\":{},", "\"\":0}"),
    ("blanks", "[", " ", "]"),
  ]

  private func document(_ index: Int, byteCount: Int) -> [UInt8] {
    let (_, start, unit, end) = Self.documents[index]
    var bytes = Array(start.utf8)
    bytes.reserveCapacity(byteCount + 64)
    var number = 0
    while bytes.count < byteCount {
      bytes +=
        unit.contains("#")
        ? Array(unit.replacingOccurrences(of: "#", with: "\(number)").utf8) : Array(unit.utf8)
      number += 1
    }
    return bytes + Array(end.utf8)
  }

  private func peak(_ manifest: [UInt8], payloadByteCount: Int = 0) throws -> (
    beyondFile: Int, errors: String
  ) {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("rbn-\(UUID().uuidString).rbn")
    defer { try? FileManager.default.removeItem(at: path) }
    var writer = try ZipArchiveWriter(path: path.path)
    try writer.add("manifest.json", manifest)
    if payloadByteCount > 0 { try writer.add("weights/0", [UInt8](repeating: 1, count: payloadByteCount)) }
    _ = try writer.close()
    let size = try path.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
    let result = try Command.runMeasured(["inspect", path.path])
    #expect(result.status == 3, "\(result.errors)")
    return (try #require(result.peakByteCount) - size, result.errors)
  }

  @Test(arguments: documents.indices) func takesNoMoreThanItsSizeAnd64MB(_ index: Int) throws {
    let found = try peak(document(index, byteCount: Self.byteCount))
    #expect(found.beyondFile < 64_000_000 || Command.isSanitized, "\(Self.documents[index].name): \(found)")
  }

  /// The most that the limit lets through beside a large payload.
  @Test(arguments: documents.indices) func takesNoMoreThanItsSizeAnd64MBBesidesAPayload(_ index: Int) throws {
    let found = try peak(document(index, byteCount: 1 << 20), payloadByteCount: 48 << 20)
    #expect(found.beyondFile < 64_000_000 || Command.isSanitized, "\(Self.documents[index].name): \(found)")
  }
}
