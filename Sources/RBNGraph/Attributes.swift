import RBNTensor

/// The value of one attribute.
package enum Attribute: Hashable, Sendable {
  case none
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case list([Attribute])

  package static func ints(_ values: [Int]) -> Attribute { .list(values.map { .int($0) }) }
}

/// The attributes of an op, by name, in the order of its schema.
package struct Attributes: Hashable, Sendable {
  package private(set) var entries: [Entry]

  package struct Entry: Hashable, Sendable {
    package var name: String
    package var value: Attribute
  }

  package init(_ entries: KeyValuePairs<String, Attribute> = [:]) {
    self.entries = entries.map { Entry(name: $0.key, value: $0.value) }
  }

  package init(entries: [Entry]) { self.entries = entries }

  package subscript(name: String) -> Attribute? { entries.first { $0.name == name }?.value }

  package mutating func set(_ name: String, _ value: Attribute) {
    if let index = entries.firstIndex(where: { $0.name == name }) {
      entries[index].value = value
    } else {
      entries.append(Entry(name: name, value: value))
    }
  }
}

/// Typed reading. Every accessor throws `graph.invalid-attribute` when the attribute is absent (and there is no
/// default), of another kind, or out of range.
extension Attributes {
  package func int(_ name: String, default fallback: Int? = nil, in range: ClosedRange<Int>? = nil) throws
    -> Int
  {
    let value: Int
    switch self[name] {
    case .int(let given): value = given
    case nil: value = try unwrap(fallback, name)
    default: throw invalid(name, "is not an integer")
    }
    if let range, !range.contains(value) { throw invalid(name, "is \(value), not in \(range)") }
    return value
  }

  package func ints(_ name: String, default fallback: [Int]? = nil, in range: ClosedRange<Int>? = nil) throws
    -> [Int]
  {
    let values: [Int]
    switch self[name] {
    case .list(let list):
      values = try list.map {
        guard case .int(let value) = $0 else { throw invalid(name, "is not a list of integers") }
        return value
      }
    case .int(let value): values = [value]
    case nil: values = try unwrap(fallback, name)
    default: throw invalid(name, "is not a list of integers")
    }
    if let range, let bad = values.first(where: { !range.contains($0) }) {
      throw invalid(name, "holds \(bad), not in \(range)")
    }
    return values
  }

  /// Two integers (height, width); one given stands for both, none for `default`.
  package func pair(_ name: String, default fallback: [Int]? = nil, in range: ClosedRange<Int>) throws
    -> [Int]
  {
    var values = try ints(name, default: fallback, in: range)
    if values.count == 1 { values = [values[0], values[0]] }
    guard values.count == 2 else { throw invalid(name, "has \(values.count) elements, not 2") }
    return values
  }

  package func double(_ name: String, default fallback: Double? = nil) throws -> Double {
    switch self[name] {
    case .double(let value): return value
    case .int(let value): return Double(value)
    case nil: return try unwrap(fallback, name)
    default: throw invalid(name, "is not a number")
    }
  }

  /// A number, or `nil` when the attribute is absent or none.
  package func optionalDouble(_ name: String) throws -> Double? {
    switch self[name] {
    case nil, .some(.none): return nil
    default: return try double(name)
    }
  }

  package func optionalInt(_ name: String) throws -> Int? {
    switch self[name] {
    case nil, .some(.none): return nil
    default: return try int(name)
    }
  }

  package func bool(_ name: String, default fallback: Bool? = nil) throws -> Bool {
    switch self[name] {
    case .bool(let value): return value
    case .int(let value) where value == 0 || value == 1: return value == 1
    case nil: return try unwrap(fallback, name)
    default: throw invalid(name, "is not a boolean")
    }
  }

  package func string(_ name: String, default fallback: String? = nil) throws -> String {
    switch self[name] {
    case .string(let value): return value
    case nil: return try unwrap(fallback, name)
    default: throw invalid(name, "is not a string")
    }
  }

  package func invalid(_ name: String, _ problem: String) -> RBNError {
    RBNError(.invalidAttribute, .model, "the attribute \(name) \(problem)")
  }

  private func unwrap<T>(_ value: T?, _ name: String) throws -> T {
    guard let value else { throw invalid(name, "is missing") }
    return value
  }
}

/// Ranges of attributes: wide enough for any real network, small enough that sums and products of a few never overflow.
package enum AttributeRange {
  /// Kernel sizes, strides, dilations, group counts.
  package static let positive = 1...(1 << 20)
  /// Paddings.
  package static let natural = 0...(1 << 20)
  /// Axes, before wrapping.
  package static let axis = -64...63
}

extension Operator {
  /// Wraps a negative axis.
  package func axis(_ axis: Int, rank: Int) throws -> Int {
    let wrapped = axis < 0 ? axis + max(rank, 1) : axis
    guard wrapped >= 0, wrapped < max(rank, 1) else {
      throw shapeMismatch("dimension \(axis) is out of range for a tensor of rank \(rank)")
    }
    return wrapped
  }
}
