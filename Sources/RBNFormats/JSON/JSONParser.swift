import CJSONC
import RBNTensor

extension JSONValue {
  /// Values nested deeper than this are refused.
  package static let maximumDepth = 128
  /// Documents of more bytes are refused; json-c counts in 32 bits.
  package static let maximumByteCount = 1 << 30

  /// Parses a document with json-c, strictly, and refuses what json-c accepts by changing it.
  ///
  /// json-c keeps the last of several members with one key, saturates integers beyond 64 bits, cuts keys at U+0000,
  /// replaces half surrogate pairs, takes single quotes, some bytes that are not UTF-8, and `NaN` and `Infinity`: each of
  /// these is an error here.
  ///
  /// - Parameters:
  ///   - document: what errors call the document.
  ///   - depth: the deepest nesting, at most ``maximumDepth``.
  ///   - acceptsNonFinite: whether `Infinity`, `-Infinity` and `NaN`, as Python writes them, are numbers.
  /// - Throws: `json.malformed` with the byte offset, `json.duplicate-key`, `json.number-range`, `json.limit`.
  package static func parse(
    _ bytes: [UInt8], document: String, depth: Int = maximumDepth, acceptsNonFinite: Bool = false
  ) throws -> JSONValue {
    let depth = min(max(depth, 1), maximumDepth)
    guard bytes.count <= maximumByteCount else {
      throw RBNError(
        .jsonLimit, .model, location: document,
        "has \(bytes.count) bytes, over the limit of \(maximumByteCount)")
    }
    if let nul = bytes.firstIndex(of: 0) { throw malformed(document, at: nul, "null byte") }
    let scan = try JSONTextScan(bytes, document: document)
    guard let tokener = json_tokener_new_ex(Int32(depth)) else {
      throw RBNError(.outOfMemory, .system, "the machine did not give the memory for a JSON parser")
    }
    defer { json_tokener_free(tokener) }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8)
    // The terminating null tells json-c that nothing follows, without which it would wait for more digits.
    let root = (bytes + [0]).withUnsafeBytes { buffer in
      json_tokener_parse_ex(
        tokener, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(buffer.count))
    }
    defer { json_object_put(root) }
    let status = json_tokener_get_error(tokener)
    guard status == json_tokener_success else {
      let end = json_tokener_get_parse_end(tokener)
      if status == json_tokener_error_depth {
        throw RBNError(
          .jsonLimit, .model, location: document,
          "has values nested deeper than \(depth) at byte \(end)")
      }
      let reason =
        status == json_tokener_continue ? "it breaks off" : String(cString: json_tokener_error_desc(status))
      throw malformed(document, at: min(end, bytes.count), reason)
    }
    var conversion = JSONConversion(document: document, acceptsNonFinite: acceptsNonFinite)
    let value = try conversion.convert(root)
    // Every member has one colon; json-c's tree has fewer members when keys repeat.
    guard conversion.memberCount == scan.colonCount else {
      throw RBNError(
        .duplicateJSONKey, .model, location: document,
        "has an object in which a key occurs twice"
          + (JSONTextScan.repeatedKey(in: bytes).map { ": \($0)" } ?? ""))
    }
    return value
  }

  static func malformed(_ document: String, at offset: Int, _ reason: String) -> RBNError {
    RBNError(.malformedJSON, .model, location: document, "is not JSON at byte \(offset): \(reason)")
  }
}

/// The walk from json-c's tree to values.
private struct JSONConversion {
  let document: String
  let acceptsNonFinite: Bool
  /// The members of all objects so far.
  var memberCount = 0

  mutating func convert(_ object: OpaquePointer?) throws -> JSONValue {
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
}
