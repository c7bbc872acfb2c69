/// A value of a pickle: a scalar, or a reference to a node of its ``Pickle``.
package enum PickleValue: Sendable {
  case none
  case bool(Bool)
  case int(Int)
  case float(Double)
  case string(String)
  case node(Int)
}

/// A key and its value in a dict.
package struct PickleItem: Sendable {
  package var key: PickleValue
  package var value: PickleValue
}

/// The name of a class or function, never looked up.
package struct PickleGlobal: Hashable, Sendable, CustomStringConvertible {
  package var module: String
  package var name: String

  package var description: String { "\(module).\(name)" }
}

/// A call that Python would make, kept as what would be called with what.
package struct PickleObject: Sendable {
  /// The class or function: a global, a persistent id, or another object.
  package var callable: PickleValue
  /// A tuple.
  package var arguments: PickleValue
  /// What `SETITEM` would have put in it.
  package var items: [PickleItem] = []
  /// What `APPEND` or `ADDITEMS` would have put in it.
  package var elements: [PickleValue] = []
  /// What `BUILD` would have set it up with.
  package var state: PickleValue?
}

/// A value that others may share.
package enum PickleNode: Sendable {
  case bytes([UInt8])
  /// An integer beyond 64 bits: two's complement, little-endian.
  case bigInt([UInt8])
  case list([PickleValue])
  case tuple([PickleValue])
  case set([PickleValue])
  case dict([PickleItem])
  case global(PickleGlobal)
  case persistent(PickleValue)
  indirect case object(PickleObject)
}

/// What a pickle describes, as a graph of symbols.
///
/// Nodes refer to one another by index. That keeps shared values shared, makes cycles harmless, and needs no
/// recursion to take down, however deep the values are nested.
package struct Pickle: Sendable {
  package var nodes: [PickleNode] = []
  package var root = PickleValue.none
  /// The ids of the objects that are stored outside, such as the storages of tensors, in order of occurrence.
  package var persistentIDs: [PickleValue] = []
  /// The position behind the last byte.
  package var end = 0
}

extension Pickle {
  /// The node behind a value; nil for scalars.
  package func node(_ value: PickleValue) -> PickleNode? {
    guard case .node(let index) = value, nodes.indices.contains(index) else { return nil }
    return nodes[index]
  }

  package func tuple(_ value: PickleValue) -> [PickleValue]? {
    if case .tuple(let values) = node(value) { return values }
    return nil
  }

  package func list(_ value: PickleValue) -> [PickleValue]? {
    if case .list(let values) = node(value) { return values }
    return nil
  }

  package func items(_ value: PickleValue) -> [PickleItem]? {
    if case .dict(let items) = node(value) { return items }
    return nil
  }

  package func global(_ value: PickleValue) -> PickleGlobal? {
    if case .global(let global) = node(value) { return global }
    return nil
  }

  package func object(_ value: PickleValue) -> PickleObject? {
    if case .object(let object) = node(value) { return object }
    return nil
  }

  /// What is called to make an object, when that is a plain name.
  package func callee(_ value: PickleValue) -> PickleGlobal? {
    object(value).flatMap { global($0.callable) }
  }

  /// A value in a few words: `a list of 3 values`, `an object of argparse.Namespace`.
  package func summary(_ value: PickleValue) -> String {
    switch value {
    case .none: return "None"
    case .bool(let flag): return flag ? "True" : "False"
    case .int(let number): return "the number \(number)"
    case .float(let number): return "the number \(number)"
    case .string(let text): return "the text \(shortened(text))"
    case .node: break
    }
    switch node(value) {
    case .bytes(let bytes): return "\(bytes.count) bytes"
    case .bigInt(let bytes): return "an integer of \(bytes.count) bytes"
    case .list(let values): return "a list of \(values.count) values"
    case .tuple(let values): return "a tuple of \(values.count) values"
    case .set(let values): return "a set of \(values.count) values"
    case .dict(let items): return "a dict of \(items.count) entries"
    case .global(let global): return "the name \(global)"
    case .persistent: return "a stored object"
    case .object: return "an object of \(className(value))"
    case nil: return "nothing"
    }
  }

  /// What an object says it was made by: the name of its class or of the function that would rebuild it.
  package func className(_ value: PickleValue) -> String {
    guard let object = object(value) else { return summary(value) }
    if let global = global(object.callable) { return global.description }
    // Before torch 1.6, a module's class is stored beside its source text.
    if case .persistent(let identifier) = node(object.callable), let parts = tuple(identifier),
      parts.count > 1, let global = global(parts[1])
    {
      return global.description
    }
    return "an unknown class"
  }

  private func shortened(_ text: String) -> String {
    (text.count > 40 ? text.prefix(40) + "…" : text[...]).debugDescription
  }
}
