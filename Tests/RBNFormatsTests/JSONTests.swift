import RBNTensor
import Testing

@testable import RBNFormats

@Suite struct JSONTests {
  private func parse(_ text: String) throws -> JSONValue {
    try JSONValue.parse(Array(text.utf8), document: "test.json")
  }

  @Test func valuesOfEveryKind() throws {
    let value = try parse(
      #" {"a": [1, -2.5, true, false, null, "x\n\u00e9\ud83d\ude00"], "b": {"c": 9223372036854775807}, "": 1e-5} "#
    )
    #expect(
      value == [
        "a": [1, -2.5, true, false, nil, "x\né😀"], "b": ["c": 9_223_372_036_854_775_807], "": 1e-5,
      ])
    #expect(value["b"]?["c"] == .int(.max))
    #expect(value["none"] == nil)
    #expect(try parse("17") == 17)
    #expect(try parse("-9223372036854775808") == .int(.min))
  }

  static let refused: [(String, RBNError.Code)] = [
    ("", .malformedJSON), ("{", .malformedJSON), ("[1,", .malformedJSON), ("[1] x", .malformedJSON),
    ("{} {}", .malformedJSON), ("[1,]", .malformedJSON), ("{\"a\":1,}", .malformedJSON),
    ("{a:1}", .malformedJSON),
    ("'a'", .malformedJSON), ("/* c */ 1", .malformedJSON), ("[01]", .malformedJSON), ("\"a", .malformedJSON),
    ("tru", .malformedJSON), ("\"\\x\"", .malformedJSON), ("{\"a\\u0000b\": 1}", .malformedJSON),
    ("\"\\\\\\u0000\"", .malformedJSON),
    ("{\"a\": 1, \"b\": {}, \"a\": 2}", .duplicateJSONKey),
    ("[{\"a\": 1, \"\\u0061\": 2}]", .duplicateJSONKey),
    ("{\"\u{E9}\": 1, \"e\u{301}\": 2}", .duplicateJSONKey),
    ("9223372036854775808", .jsonNumberRange), ("[-9223372036854775809]", .jsonNumberRange),
    ("{\"a\": 123456789012345678901234567890}", .jsonNumberRange), ("1e999", .jsonNumberRange),
  ]

  @Test(arguments: refused) func documentIsRefused(text: String, expected: RBNError.Code) {
    #expect(code { _ = try parse(text) } == expected)
  }

  @Test func nestingIsBounded() throws {
    let deep = { String(repeating: "[", count: $0) + String(repeating: "]", count: $0) }
    #expect(throws: Never.self) { try parse(deep(JSONValue.maximumDepth - 1)) }
    #expect(code { _ = try parse(deep(1000)) } == .jsonLimit)
    #expect(code { _ = try parse(String(repeating: "{\"a\":", count: 100_000)) } == .jsonLimit)
  }

  @Test func nullBytesAreRefused() {
    #expect(code { _ = try parse("\u{0}") } == .malformedJSON)
    #expect(code { _ = try parse("1\u{0}") } == .malformedJSON)
  }

  @Test func nonFiniteLiteralsAreRefused() {
    for text in ["NaN", "[Infinity]", "-Infinity"] {
      #expect(throws: RBNError.self) { try parse(text) }
      #expect(throws: Never.self) {
        try JSONValue.parse(Array(text.utf8), document: "test.json", acceptsNonFinite: true)
      }
    }
  }

  @Test func invalidUTF8IsRefused() {
    #expect(code { _ = try JSONValue.parse([0x22, 0xFF, 0x22], document: "d") } == .malformedJSON)
  }

  @Test func escapedBackslashBeforeAnEscapeLookalike() throws {
    #expect(try parse(#"["\\u0000", "a:b:c", "\"{:"]"#) == ["\\u0000", "a:b:c", "\"{:"])
  }

  @Test func errorsSayWhere() throws {
    do {
      _ = try parse("{\"a\": [1, 2, x]}")
      Issue.record("accepted")
    } catch let error as RBNError {
      #expect(error.description.hasPrefix("test.json: is not JSON at byte 13"))
    }
    let root = JSONNode(try parse(#"{"inputs": [{"shape": 3}], "a key": {}}"#), document: "manifest.json")
    let input = try #require(try root.member("inputs").elements().first)
    do {
      _ = try input.member("shape").elements()
      Issue.record("accepted")
    } catch let error as RBNError {
      #expect(error.description == "manifest.json: $.inputs[0].shape: expected an array, found an integer")
    }
    #expect(try root.member("a key").place == "manifest.json: $[\"a key\"]")
    #expect(code { _ = try root.member("none") } == .unexpectedJSON)
    #expect(code { _ = try input.string() } == .unexpectedJSON)
    #expect(code { _ = try input.bool() } == .unexpectedJSON)
    #expect(code { _ = try input.int() } == .unexpectedJSON)
    #expect(code { _ = try input.double() } == .unexpectedJSON)
    #expect(code { _ = try root.member("inputs").members() } == .unexpectedJSON)
  }

  @Test func doublesKeepTheirBits() throws {
    var generator = SeededGenerator(seed: 2)
    var doubles: [Double] = [
      0.1, 1e-5, .leastNonzeroMagnitude, 1.7976931348623157e308, -0.0, 1, 100, 1e21, 1e16,
    ]
    doubles += (0..<1000).map { _ in Double(bitPattern: generator.next()) }.filter(\.isFinite)
    for value in doubles {
      let parsed = try parse(JSONValue.double(value).text())
      guard case .double(let back) = parsed else {
        Issue.record("\(value) came back as \(parsed)")
        continue
      }
      #expect(back.bitPattern == value.bitPattern)
    }
    for value in [Double.infinity, -.infinity, .nan] {
      let node = JSONNode(try parse(JSONValue.double(value).text()), document: "d")
      let back = try node.double()
      #expect(back == value || (back.isNaN && value.isNaN))
    }
  }

  @Test func textIsDeterministic() throws {
    let value: JSONValue = ["b": [1, 2], "a": ["x": [], "y": nil, "q\"\\\u{1}": "\n"], "c": [["d": 1]]]
    #expect(value.text() == #"{"b":[1,2],"a":{"x":[],"y":null,"q\"\\\u0001":"\n"},"c":[{"d":1}]}"#)
    #expect(value.text(sortingKeys: true).hasPrefix(#"{"a":{"q"#))
    let pretty = value.text(.pretty)
    #expect(pretty.hasPrefix("{\n  \"b\": [1, 2],\n  \"a\": {\n    \"x\": [],"))
    #expect(try parse(pretty) == value)
    #expect(try parse(value.text()) == value)
  }

  @Test func objectsOfAnySize() {
    var object = JSONObject()
    for index in 0..<100 { object["k\(index)"] = .int(Int64(index)) }
    object["k50"] = "changed"
    object["k10"] = nil
    #expect(object.members.count == 99)
    #expect(object["k50"] == "changed" && object["k10"] == nil && object["k99"] == 99)
    #expect(object.members[10].key == "k11")
  }

  @Test func spoiledDocumentsNeverCrash() throws {
    let bytes = Array(#"{"a": [1, -2.5e3, true, null, "x\n\u00e9"], "b": {"c": {"d": [[], {}]}}}"#.utf8)
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<5000 {
      var spoiled = bytes
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        spoiled[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(
          in: 0...255, using: &generator)
      }
      let failure = code {
        let value = try JSONValue.parse(spoiled, document: "d")
        #expect(try parse(value.text()) == value)
      }
      #expect(failure != RBNError.Code("test.foreign-error"))
    }
    for count in 0..<bytes.count {
      #expect(throws: RBNError.self) { try JSONValue.parse(Array(bytes[..<count]), document: "d") }
    }
  }
}
