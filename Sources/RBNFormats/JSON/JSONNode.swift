import RBNTensor

extension RBNError.Code {
  /// The bytes are not JSON.
  package static let malformedJSON = Self("json.malformed")
  /// An object has a key twice.
  package static let duplicateJSONKey = Self("json.duplicate-key")
  /// A number that neither a 64-bit integer nor a finite double holds.
  package static let jsonNumberRange = Self("json.number-range")
  /// Values nested deeper than the limit, or a document longer than the limit.
  package static let jsonLimit = Self("json.limit")
  /// A value of another kind than the document must have there, or one that is missing.
  package static let unexpectedJSON = Self("json.unexpected-value")
}

/// A JSON value together with its place in its document, so that errors can say where they are.
package struct JSONNode: Sendable {
  private indirect enum Place: Sendable {
    case root(String)
    case member(Place, String)
    case element(Place, Int)

    var text: String {
      switch self {
      case .root(let document): "\(document): $"
      case .member(let parent, let key):
        key.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
          ? "\(parent.text).\(key)" : "\(parent.text)[\(key.debugDescription)]"
      case .element(let parent, let index): "\(parent.text)[\(index)]"
      }
    }
  }

  /// The value.
  package let value: JSONValue
  private let position: Place

  /// The root of a document.
  ///
  /// - Parameter document: what errors call it, such as `manifest.json`.
  package init(_ value: JSONValue, document: String) {
    self.value = value
    self.position = .root(document)
  }

  private init(_ value: JSONValue, at place: Place) {
    self.value = value
    self.position = place
  }

  /// The place: `manifest.json: $.inputs[0].shape`.
  package var place: String { position.text }

  /// Whether the value is null.
  package var isNull: Bool { value == .null }

  /// The members of an object.
  ///
  /// - Throws: `json.unexpected-value` for other values.
  package func members() throws -> [(key: String, node: JSONNode)] {
    guard case .object(let object) = value else { throw expected("an object") }
    return object.members.map { ($0.key, JSONNode($0.value, at: .member(position, $0.key))) }
  }

  /// The member of an object that must have it.
  ///
  /// - Throws: `json.unexpected-value` for other values and when the key is missing.
  package func member(_ key: String) throws -> JSONNode {
    guard case .object(let object) = value else { throw expected("an object") }
    guard let member = object[key] else { throw failure("the key \(key.debugDescription) is missing") }
    return JSONNode(member, at: .member(position, key))
  }

  /// The member of an object; nil when the key is missing or its value null.
  ///
  /// - Throws: `json.unexpected-value` for other values.
  package func optionalMember(_ key: String) throws -> JSONNode? {
    guard case .object(let object) = value else { throw expected("an object") }
    guard let member = object[key], member != .null else { return nil }
    return JSONNode(member, at: .member(position, key))
  }

  /// The elements of an array.
  ///
  /// - Throws: `json.unexpected-value` for other values.
  package func elements() throws -> [JSONNode] {
    guard case .array(let elements) = value else { throw expected("an array") }
    return elements.enumerated().map { JSONNode($1, at: .element(position, $0)) }
  }

  /// The elements of an array, each read by `read`.
  ///
  /// - Throws: `json.unexpected-value` for other values, and what `read` throws.
  package func list<Element>(_ read: (JSONNode) throws -> Element) throws -> [Element] {
    try elements().map(read)
  }

  /// A string.
  ///
  /// - Throws: `json.unexpected-value` for other values.
  package func string() throws -> String {
    guard case .string(let text) = value else { throw expected("a string") }
    return text
  }

  /// An integer.
  ///
  /// - Throws: `json.unexpected-value` for other values.
  package func int() throws -> Int {
    guard case .int(let number) = value, let number = Int(exactly: number) else {
      throw expected("an integer")
    }
    return number
  }

  /// A number, or one of the strings that stand for what JSON has no number for: `Infinity`, `-Infinity`, `NaN`.
  ///
  /// - Throws: `json.unexpected-value` for other values.
  package func double() throws -> Double {
    switch value {
    case .int(let number): return Double(number)
    case .double(let number): return number
    case .string("Infinity"): return .infinity
    case .string("-Infinity"): return -.infinity
    case .string("NaN"): return .nan
    default: throw expected("a number")
    }
  }

  /// A boolean.
  ///
  /// - Throws: `json.unexpected-value` for other values.
  package func bool() throws -> Bool {
    guard case .bool(let flag) = value else { throw expected("a boolean") }
    return flag
  }

  /// The error that says what should be here instead.
  package func expected(_ kind: String) -> RBNError { failure("expected \(kind), found \(value.kind)") }

  /// An error about this place.
  package func failure(_ message: String, _ code: RBNError.Code = .unexpectedJSON, advice: String? = nil)
    -> RBNError
  {
    RBNError(code, .model, location: place, message, advice: advice)
  }
}
