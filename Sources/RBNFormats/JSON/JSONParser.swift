import CJSONC
import RBNTensor

extension JSONValue {
  /// Values nested deeper than this are refused.
  package static let maximumDepth = 128
  /// Documents of more bytes are refused.
  package static let maximumByteCount = 1 << 30
  /// The memory that the values of a document in a file may take beyond the size of that file, in bytes.
  private static let treeAllowance = 12 << 20

  /// Parses a document with json-c, strictly, and refuses what json-c accepts by changing it.
  ///
  /// json-c keeps the last of several members with one key, saturates integers beyond 64 bits, cuts keys at U+0000,
  /// replaces half surrogate pairs, takes single quotes, some bytes that are not UTF-8, and `NaN` and `Infinity`: each of
  /// these is an error here. It is given a long document in pieces, since its tree takes up to 270 times the text.
  ///
  /// - Parameters:
  ///   - document: what errors call the document.
  ///   - depth: the deepest nesting, at most ``maximumDepth``.
  ///   - acceptsNonFinite: whether `Infinity`, `-Infinity` and `NaN`, as Python writes them, are numbers.
  ///   - fileByteCount: the size of the file that the document is in, whose values may take as much memory and 12 MiB; by
  ///     default they may take 24 times the text and 12 MiB, which is enough for numbers alone.
  /// - Throws: `json.malformed` with the byte offset, `json.duplicate-key`, `json.number-range`, `json.limit`.
  package static func parse(
    _ bytes: [UInt8], document: String, depth: Int = maximumDepth, acceptsNonFinite: Bool = false,
    fileByteCount: Int? = nil
  ) throws -> JSONValue {
    guard bytes.count <= maximumByteCount else {
      throw RBNError(
        .jsonLimit, .model, location: document,
        "has \(bytes.count) bytes, over the limit of \(maximumByteCount)")
    }
    if let nul = bytes.firstIndex(of: 0) { throw malformed(document, at: nul, "null byte") }
    let scan = try JSONTextScan(
      bytes, document: document, depth: min(max(depth, 1), maximumDepth),
      treeLimit: treeAllowance + (fileByteCount.map { max($0 - bytes.count, 0) } ?? 24 * bytes.count))
    // Room for the brackets around a piece; the text's own depth has been checked.
    guard let tokener = json_tokener_new_ex(Int32(maximumDepth + 3)) else {
      throw RBNError(.outOfMemory, .system, "the machine did not give the memory for a JSON parser")
    }
    defer { json_tokener_free(tokener) }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8)
    var reader = JSONReader(
      bytes: bytes, document: document, acceptsNonFinite: acceptsNonFinite, scan: scan, tokener: tokener)
    let value = try reader.wholeText()
    // Every member has one colon; json-c's tree has fewer members when keys repeat.
    guard reader.memberCount == scan.colonCount else { throw reader.duplicateKey() }
    return value
  }

  static func malformed(_ document: String, at offset: Int, _ reason: String) -> RBNError {
    RBNError(.malformedJSON, .model, location: document, "is not JSON at byte \(offset): \(reason)")
  }
}

/// Reads a document: large objects and arrays by runs of their members and elements, each run with json-c.
private struct JSONReader {
  let bytes: [UInt8]
  let document: String
  let acceptsNonFinite: Bool
  let scan: JSONTextScan
  let tokener: UnsafeMutablePointer<json_tokener>
  /// The members of all objects so far.
  var memberCount = 0

  /// The value of the whole text.
  mutating func wholeText() throws -> JSONValue {
    guard let start = bytes.indices.first(where: { !isBlank($0) }), let end = scan.largeContainers[start]
    else {
      return try parse(bytes.indices)
    }
    try expectBlank(end..<bytes.count)
    return try container(start..<end)
  }

  // MARK: Large containers

  /// The value of a large object or array, which is all of a range of the text.
  private mutating func container(_ range: Range<Int>) throws -> JSONValue {
    let isObject = bytes[range.lowerBound] == UInt8(ascii: "{")
    let end = range.upperBound - 1
    guard bytes[end] == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
      throw JSONValue.malformed(
        document, at: end, "the bracket does not fit the one at byte \(range.lowerBound)")
    }
    var parts = JSONParts(isObject: isObject)
    let start = range.lowerBound + 1
    /// Where the run of small children begins that is not read yet, and where the present child does.
    var runStart = start
    var childStart = start
    var large: Range<Int>?
    var depth = 0

    func finishChild(at position: Int) throws {
      if let child = large {
        if runStart < childStart { try append(runStart..<childStart - 1, to: &parts) }
        try appendLarge(childStart..<position, child, to: &parts)
        large = nil
        runStart = position + 1
      } else if position == end || position - runStart >= JSONTextScan.pieceByteCount {
        let isEmpty = runStart == start && position == end && (start..<end).allSatisfy(isBlank)
        if !isEmpty { try append(runStart..<position, to: &parts) }
        runStart = position + 1
      }
      childStart = position + 1
    }
    var position = start
    while position < end {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        position = JSONTextScan.endOfString(bytes, from: position)
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        if let close = scan.largeContainers[position] {
          guard large == nil else { throw JSONValue.malformed(document, at: position, "a comma is missing") }
          large = position..<close
          position = close
          continue
        }
        depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: ",") where depth == 0: try finishChild(at: position)
      default: break
      }
      position += 1
    }
    try finishChild(at: end)
    return parts.value
  }

  /// Reads a run of children, with the commas between them.
  private mutating func append(_ range: Range<Int>, to parts: inout JSONParts) throws {
    guard !range.allSatisfy(isBlank) else {
      throw JSONValue.malformed(document, at: range.lowerBound, "a value is missing")
    }
    guard parts.append(try parse(range, in: parts.brackets)) else { throw duplicateKey() }
  }

  /// Reads a child that is, behind its key in an object, a large container.
  private mutating func appendLarge(_ range: Range<Int>, _ large: Range<Int>, to parts: inout JSONParts)
    throws
  {
    try expectBlank(large.upperBound..<range.upperBound)
    let before = range.lowerBound..<large.lowerBound
    guard parts.isObject else {
      try expectBlank(before)
      _ = parts.append(.array([try container(large)]))
      return
    }
    // The key, with a number in the container's place.
    guard case .object(let stub) = try parse(before, in: ("{", "0}")), let key = stub.members.first?.key,
      stub.members.count == 1
    else { throw JSONValue.malformed(document, at: large.lowerBound, "a key is missing") }
    guard parts.append(.object(JSONObject([(key, try container(large))]))) else { throw duplicateKey() }
  }

  // MARK: Pieces

  /// The value of a range of the text, between brackets, read by json-c.
  private mutating func parse(_ range: Range<Int>, in brackets: (String, String) = ("", "")) throws
    -> JSONValue
  {
    // The terminating null tells json-c that nothing follows, without which it would wait for more digits.
    let piece = Array(brackets.0.utf8) + bytes[range] + Array(brackets.1.utf8) + [0]
    json_tokener_reset(tokener)
    let root = piece.withUnsafeBytes { buffer in
      json_tokener_parse_ex(
        tokener, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(buffer.count))
    }
    defer { json_object_put(root) }
    let status = json_tokener_get_error(tokener)
    guard status == json_tokener_success else {
      let reason =
        status == json_tokener_continue ? "it breaks off" : String(cString: json_tokener_error_desc(status))
      let offset = range.lowerBound + Int(json_tokener_get_parse_end(tokener)) - brackets.0.utf8.count
      throw JSONValue.malformed(document, at: min(max(offset, 0), bytes.count), reason)
    }
    return try convert(root)
  }

  private mutating func convert(_ object: OpaquePointer?) throws -> JSONValue {
    guard let object else { return .null }
    switch json_object_get_type(object) {
    case json_type_null: return .null
    case json_type_boolean: return .bool(json_object_get_boolean(object) != 0)
    case json_type_int: return .int(json_object_get_int64(object))
    case json_type_double:
      let number = json_object_get_double(object)
      guard number.isFinite || acceptsNonFinite else {
        throw RBNError(.jsonNumberRange, .model, location: document, "has a number that is not finite")
      }
      return .double(number)
    case json_type_string:
      guard let text = json_object_get_string(object) else { return .string("") }
      let bytes = UnsafeRawBufferPointer(start: text, count: Int(json_object_get_string_len(object)))
      return .string(String(decoding: bytes, as: UTF8.self))
    case json_type_array:
      let count = json_object_array_length(object)
      var elements: [JSONValue] = []
      elements.reserveCapacity(count)
      for index in 0..<count {
        let element = json_object_array_get_idx(object, index)
        elements.append(try convert(element))
      }
      return .array(elements)
    default:
      var members = JSONObject()
      var iterator = json_object_iter_begin(object)
      var end = json_object_iter_end(object)
      while json_object_iter_equal(&iterator, &end) == 0 {
        let key = json_object_iter_peek_name(&iterator).map { String(cString: $0) } ?? ""
        let value = json_object_iter_peek_value(&iterator)
        members[key] = try convert(value)
        json_object_iter_next(&iterator)
      }
      memberCount += members.members.count
      return .object(members)
    }
  }

  // MARK: Text

  private func isBlank(_ position: Int) -> Bool {
    switch bytes[position] {
    case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): true
    default: false
    }
  }

  private func expectBlank(_ range: Range<Int>) throws {
    if let other = range.first(where: { !isBlank($0) }) {
      throw JSONValue.malformed(document, at: other, "unexpected character")
    }
  }

  func duplicateKey() -> RBNError {
    RBNError(
      .duplicateJSONKey, .model, location: document,
      "has an object in which a key occurs twice"
        + (JSONTextScan.repeatedKey(in: bytes).map { ": \($0)" } ?? ""))
  }
}

/// The elements or members of a large container, as far as they are read.
private struct JSONParts {
  let isObject: Bool
  private var elements: [JSONValue] = []
  private var members = JSONObject()

  init(isObject: Bool) { self.isObject = isObject }

  var brackets: (String, String) { isObject ? ("{", "}") : ("[", "]") }
  var value: JSONValue { isObject ? .object(members) : .array(elements) }

  /// Adds the children of a container of the same kind; false when a key is there already.
  mutating func append(_ piece: JSONValue) -> Bool {
    switch piece {
    case .array(let values): elements += values
    case .object(let object):
      for member in object.members {
        guard members[member.key] == nil else { return false }
        members[member.key] = member.value
      }
    default: break
    }
    return true
  }
}
