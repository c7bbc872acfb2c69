import RBNTensor
import Testing

@testable import RBNFormats

/// Documents that are read in pieces give what they give whole, and break the same rules.
@Suite struct LargeJSONTests {
  private static let pieceByteCount = JSONTextScan.pieceByteCount

  private func parse(_ text: String) throws -> JSONValue {
    try JSONValue.parse(Array(text.utf8), document: "large.json")
  }

  /// A value with containers of all sizes around that of a piece.
  private func value(_ depth: Int, _ random: inout SeededGenerator) -> JSONValue {
    switch Int.random(in: 0..<(depth == 0 ? 5 : 9), using: &random) {
    case 0: return .int(Int64.random(in: .min ... .max, using: &random))
    case 1: return .double(Double.random(in: -1...1, using: &random))
    case 2: return [nil, true, false][Int.random(in: 0..<3, using: &random)]
    case 3: return .string(String(repeating: "é\"\\,]}:", count: Int.random(in: 0..<40, using: &random)))
    case 4: return [.array([]), .object(JSONObject()), ""][Int.random(in: 0..<3, using: &random)]
    case 5, 6: return .array((0..<count(&random)).map { _ in value(depth - 1, &random) })
    default:
      return .object(JSONObject((0..<count(&random)).map { ("k, \"\($0)\": {", value(depth - 1, &random)) }))
    }
  }

  private func count(_ random: inout SeededGenerator) -> Int {
    [0, 1, 2, 5, 40, 300][Int.random(in: 0..<6, using: &random)]
  }

  @Test(arguments: 0..<12) func piecesAddUp(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var members: [(String, JSONValue)] = []
    var text = ""
    while text.utf8.count < 20 * Self.pieceByteCount {
      members.append(("member \(members.count)", value(4, &random)))
      text = JSONValue.object(JSONObject(members)).text(seed % 2 == 0 ? .compact : .pretty)
    }
    #expect(try parse(" \n\(text)\t") == .object(JSONObject(members)))
    #expect(
      try parse("[1,\(text) , \(text)]")
        == .array([1, .object(JSONObject(members)), .object(JSONObject(members))]))
  }

  @Test(arguments: -3...3) func sizesAroundAPiece(_ difference: Int) throws {
    for (open, close) in [("[", "]"), ("{\"a\": [", "]}"), ("[[", "],[]]"), ("[{\"a\":[", "]},2]")] {
      let room = Self.pieceByteCount + difference - open.utf8.count - close.utf8.count
      let text = open + String(repeating: "1,", count: room / 2) + (room % 2 == 0 ? " 1" : "1") + close
      let parsed = try parse(text)
      #expect(try parse(parsed.text()) == parsed)
      #expect(parsed.text().filter { $0 == "1" }.count == room / 2 + 1)
    }
  }

  @Test func blankContainers() throws {
    let blank = String(repeating: " \n", count: Self.pieceByteCount)
    #expect(try parse("[\(blank)]") == [])
    #expect(try parse("{\(blank)}") == [:])
    #expect(try parse("{\"a\"\(blank):\(blank)[\(blank)]\(blank)}\(blank)") == ["a": []])
  }

  /// Broken texts: `#` stands for elements that fill more than a piece, `@` for such members.
  static let broken: [(String, RBNError.Code)] = [
    ("[#,]", .malformedJSON), ("[,#]", .malformedJSON), ("[#,,1]", .malformedJSON), ("[#", .malformedJSON),
    ("[#}", .malformedJSON), ("{@]", .malformedJSON), ("[#]]", .malformedJSON), ("[#] 1", .malformedJSON),
    ("[[#] [#]]", .malformedJSON), ("[[#] 1]", .malformedJSON), ("[1 [#]]", .malformedJSON),
    ("[[#],]", .malformedJSON), ("[,[#]]", .malformedJSON), ("[[#],,[#]]", .malformedJSON),
    ("{@,}", .malformedJSON), ("{,@}", .malformedJSON), ("{#}", .malformedJSON), ("[@]", .malformedJSON),
    ("{\"x\" {@}}", .malformedJSON), ("{\"x\":: {@}}", .malformedJSON), ("{{@}}", .malformedJSON),
    ("{x: {@}}", .malformedJSON), ("{1: {@}}", .malformedJSON), ("{\"x\": 1 {@}}", .malformedJSON),
    ("{\"x\": {@} \"y\": 1}", .malformedJSON), ("{\"x\": 1, {@}}", .malformedJSON),
    ("{\"x\": [#], \"x\": 1}", .duplicateJSONKey), ("{\"x\": 1, \"x\": [#]}", .duplicateJSONKey),
    ("{\"k7\": 1, @}", .duplicateJSONKey), ("{@, \"\\u006b7\": 1}", .duplicateJSONKey),
    ("{\"x\": [#], \"y\": {\"a\": 1, \"a\": 2}}", .duplicateJSONKey),
  ]

  @Test(arguments: broken) func isRefused(text: String, expected: RBNError.Code) {
    let elements = (0..<Self.pieceByteCount).map { String($0 % 10) }.joined(separator: ",")
    let members = (0..<Self.pieceByteCount).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
    let whole = text.replacing("#", with: elements).replacing("@", with: members)
    #expect(code { _ = try parse(whole) } == expected)
  }

  @Test func errorsSayWhere() {
    let elements = String(repeating: "10, ", count: 3 * Self.pieceByteCount)
    #expect(
      throws: RBNError(
        .malformedJSON, .model, location: "large.json",
        "is not JSON at byte \(1 + elements.utf8.count): unexpected character")
    ) {
      try parse("[" + elements + "x]")
    }
  }

  @Test func spoiledDocumentsGiveAValueOrAnError() throws {
    var random = SeededGenerator(seed: 4)
    let elements = (0..<4000).map { "{\"a\": [\($0), \"x\"]}" }.joined(separator: ",")
    let bytes = Array("{\"x\": [\(elements)], \"y\": {\"z\": [\(elements)]}}".utf8)
    var accepted = 0
    for _ in 0..<300 {
      var spoiled = bytes
      for _ in 0..<Int.random(in: 1...2, using: &random) {
        let marks = Array("{}[],:\" 0x".utf8)
        spoiled[Int.random(in: 0..<bytes.count, using: &random)] = marks.randomElement(using: &random) ?? 0
      }
      do {
        let value = try JSONValue.parse(spoiled, document: "d")
        accepted += 1
        #expect(try parse(value.text()) == value)
      } catch is RBNError {}
    }
    #expect(accepted > 0)
  }

  @Test func valuesThatWouldTakeTooMuchMemoryAreRefused() throws {
    let count = 400_000
    for unit in ["[],", "{},", "{\"\":0},", "\"\","] {
      let text = "[" + String(repeating: unit, count: count) + "0]"
      let bytes = Array(text.utf8)
      #expect(
        code { _ = try JSONValue.parse(bytes, document: "d", fileByteCount: bytes.count) } == .jsonLimit)
      // A part of a larger file may take more.
      #expect(throws: Never.self) { try JSONValue.parse(bytes, document: "d", fileByteCount: 1 << 27) }
    }
    #expect(code { _ = try parse("[0.\(String(repeating: "1", count: 2000))]") } == .jsonLimit)
    // Numbers alone, as in a request, may be as many as there is text for.
    #expect(throws: Never.self) { try parse("[" + String(repeating: "0,", count: count) + "0]") }
  }
}
