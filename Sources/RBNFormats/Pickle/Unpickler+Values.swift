import RBNTensor

// What the opcodes that make or change values do.
extension Unpickler {
  mutating func counted(_ width: Int) throws -> [UInt8] {
    try reader.bytes(try reader.unsigned(byteCount: width))
  }

  mutating func pushInteger(_ bytes: [UInt8]) throws {
    guard bytes.count <= 8 else { return try push(node: .bigInt(bytes)) }
    var value: UInt64 = bytes.last.map { $0 >= 0x80 } == true ? .max : 0
    for byte in bytes.reversed() { value = value << 8 | UInt64(byte) }
    try push(.int(Int(Int64(bitPattern: value))))
  }

  /// Text, or bytes where it is not UTF-8: old strings of Python 2, names of files with undecodable bytes.
  mutating func pushText(_ bytes: [UInt8]) throws {
    if let text = String(validating: bytes, as: UTF8.self) {
      // Short texts lie in the value itself.
      if bytes.count > 15 { try charge(bytes.count + PickleNode.allocationByteCount) }
      return try push(.string(text))
    }
    try push(node: .bytes(bytes))
  }

  mutating func pushGlobal(module: [UInt8], name: [UInt8]) throws {
    guard let module = String(validating: module, as: UTF8.self),
      let name = String(validating: name, as: UTF8.self), isName(module), isName(name)
    else {
      throw reader.error(.invalidGlobal, at: place, "\(opcode.name) is given what is no Python name")
    }
    let global = PickleGlobal(module: module, name: name)
    guard !BlockedGlobals.contains(global) else {
      throw reader.error(
        .unsafeGlobal, at: place,
        "the pickle calls \(global): it was made to run code when it is loaded. Nothing was run",
        advice: "delete the file, and don't load it with Python")
    }
    try push(node: .global(global))
  }

  /// Whether a text could be a (dotted) name: printable, without spaces.
  private func isName(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= limits.nameByteCount
      && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
  }

  mutating func append(_ values: [PickleValue]) throws {
    try charge(values.count * MemoryLayout<PickleValue>.stride)
    try changeTop { node in
      switch node {
      case .list(var list):
        // Emptied first, so that the array is held once and grows in place; below likewise.
        node = .bytes([])
        list.append(contentsOf: values)
        node = .list(list)
      case .object(var object):
        node = .bytes([])
        object.elements.append(contentsOf: values)
        node = .object(object)
      default: return false
      }
      return true
    }
  }

  mutating func add(_ values: [PickleValue]) throws {
    try charge(values.count * MemoryLayout<PickleValue>.stride)
    try changeTop { node in
      switch node {
      case .set(var set):
        node = .bytes([])
        set.append(contentsOf: values)
        node = .set(set)
      case .object(var object):
        node = .bytes([])
        object.elements.append(contentsOf: values)
        node = .object(object)
      default: return false
      }
      return true
    }
  }

  mutating func set(_ values: [PickleValue]) throws {
    guard values.count.isMultiple(of: 2) else {
      throw mismatch("\(opcode.name) is given a key without a value")
    }
    try charge(values.count * MemoryLayout<PickleValue>.stride)
    let added = stride(from: 0, to: values.count, by: 2).map {
      PickleItem(key: values[$0], value: values[$0 + 1])
    }
    try changeTop { node in
      switch node {
      case .dict(var items):
        node = .bytes([])
        items.append(contentsOf: added)
        node = .dict(items)
      case .object(var object):
        node = .bytes([])
        object.items.append(contentsOf: added)
        node = .object(object)
      default: return false
      }
      return true
    }
  }

  /// `BUILD`: the attributes of an object. Those of a dict, such as `_metadata`, are not among its entries.
  mutating func build(_ state: PickleValue) throws {
    try changeTop { node in
      switch node {
      case .object(var object):
        node = .bytes([])
        object.state = state
        node = .object(object)
      case .dict: break
      default: return false
      }
      return true
    }
  }

  /// A call, kept as a symbol; those of Python's own containers give the container.
  mutating func call(
    _ callable: PickleValue, _ arguments: PickleValue, keywords: PickleValue? = nil
  ) throws {
    guard let parts = pickle.tuple(arguments) else {
      throw mismatch("\(opcode.name) is given \(pickle.summary(arguments)) for arguments")
    }
    switch pickle.node(callable) {
    case .global(let global):
      if keywords == nil, let container = container(global, parts) {
        // Entries are copied here, which a few bytes could ask for again and again.
        copiedCount += container.elementCount
        guard copiedCount <= limits.nodeCount else { throw tooLarge("values") }
        return try push(node: container)
      }
    case .object, .persistent: break
    default: throw mismatch("\(opcode.name) calls \(pickle.summary(callable))")
    }
    try push(node: .object(PickleObject(callable: callable, arguments: arguments, state: keywords)))
  }

  private func container(_ global: PickleGlobal, _ arguments: [PickleValue]) -> PickleNode? {
    switch (global.description, arguments.count) {
    case ("collections.OrderedDict", 0), ("collections.defaultdict", 0...1), ("builtins.dict", 0),
      ("__builtin__.dict", 0):
      return .dict([])
    case ("collections.OrderedDict", 1):
      // Python 2 writes the entries as pairs.
      guard let pairs = pickle.list(arguments[0]) else { return nil }
      let items = pairs.compactMap { pair -> PickleItem? in
        guard let parts = pickle.list(pair) ?? pickle.tuple(pair), parts.count == 2 else { return nil }
        return PickleItem(key: parts[0], value: parts[1])
      }
      return items.count == pairs.count ? .dict(items) : nil
    case ("builtins.set", 1), ("__builtin__.set", 1), ("builtins.frozenset", 1), ("__builtin__.frozenset", 1):
      return pickle.list(arguments[0]).map { .set($0) }
    default: return nil
    }
  }
}

extension PickleNode {
  /// What an allocation takes besides its contents: the header of an object or array, and what malloc adds.
  static let allocationByteCount = 48

  /// About the memory that the node takes beyond itself.
  var heapByteCount: Int {
    let value = MemoryLayout<PickleValue>.stride
    switch self {
    case .bytes(let bytes), .bigInt(let bytes): return bytes.count + Self.allocationByteCount
    case .list(let values), .tuple(let values), .set(let values):
      return values.isEmpty ? 0 : values.count * value + Self.allocationByteCount
    case .dict(let items): return items.isEmpty ? 0 : 2 * items.count * value + Self.allocationByteCount
    case .global(let global):
      return global.module.utf8.count + global.name.utf8.count + 2 * Self.allocationByteCount
    case .persistent: return 0
    case .object: return MemoryLayout<PickleObject>.stride + Self.allocationByteCount
    }
  }

  fileprivate var elementCount: Int {
    switch self {
    case .dict(let items): items.count
    case .set(let values): values.count
    default: 0
    }
  }
}
