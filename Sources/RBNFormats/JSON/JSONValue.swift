import RBNTensor

/// A JSON value. Objects keep the order of their members.
package enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case int(Int64)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)

  /// The member of an object; nil for other values and for keys that are not there.
  package subscript(key: String) -> JSONValue? {
    if case .object(let object) = self { object[key] } else { nil }
  }

  /// What kind of value it is, as errors say it.
  var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .int: "an integer"
    case .double: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

/// The members of a JSON object, in order, each key once.
package struct JSONObject: Hashable, Sendable {
  /// One member.
  package struct Member: Hashable, Sendable {
    package let key: String
    package var value: JSONValue
  }

  /// The members, in order.
  package private(set) var members: [Member] = []
  /// Where each key is; kept only for objects so large that a search would cost more.
  private var index: [String: Int] = [:]

  private static let indexedFrom = 16

  package init() {}

  /// Makes an object of members; of those with one key, the last value stays at the first one's place.
  package init(_ members: [(String, JSONValue)]) {
    for (key, value) in members { self[key] = value }
  }

  /// The value of a key. Setting nil removes the member.
  ///
  /// - Complexity: O(1) to look up and to append, O(members) to remove.
  package subscript(key: String) -> JSONValue? {
    get { position(of: key).map { members[$0].value } }
    set {
      if let position = position(of: key) {
        if let newValue {
          members[position].value = newValue
        } else {
          members.remove(at: position)
          index = [:]
          reindex()
        }
      } else if let newValue {
        members.append(Member(key: key, value: newValue))
        reindex()
      }
    }
  }

  private func position(of key: String) -> Int? {
    members.count < Self.indexedFrom ? members.firstIndex { $0.key == key } : index[key]
  }

  private mutating func reindex() {
    guard members.count >= Self.indexedFrom else { return }
    for position in index.count..<members.count { index[members[position].key] = position }
  }

  package static func == (left: JSONObject, right: JSONObject) -> Bool { left.members == right.members }

  package func hash(into hasher: inout Hasher) { hasher.combine(members) }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
  ExpressibleByNilLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int64) { self = .int(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(floatLiteral value: Double) { self = .double(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }
  package init(nilLiteral: ()) { self = .null }
}

extension JSONValue {
  /// An array of integers.
  package static func integers(_ values: [Int]) -> JSONValue { .array(values.map { .int(Int64($0)) }) }
}
