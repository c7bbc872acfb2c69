import RBNTensor

/// Bounds of what a pickle may take, whatever it claims.
package struct PickleLimits: Sendable {
  /// Containers, names, calls and byte strings together.
  package var nodeCount = 1 << 23
  /// Values waiting on the stack.
  package var stackDepth = 1 << 20
  /// Entries of the memo.
  package var memoCount = 1 << 23
  /// Bytes of a module's or a class's name.
  package var nameByteCount = 1 << 12
  /// Bytes of memory that values, stack and memo take, beyond one for each byte that there is to read.
  package var memoryByteCount = 24 << 20

  package init() {}
}

/// Reads a pickle as data: names stay names and calls stay symbols, nothing is looked up, imported or called.
///
/// The opcodes are those that Python's pickler writes in protocols 2 to 5 (specification: CPython,
/// `Lib/pickletools.py`), those of the text protocol refused. `SETITEM` fits dicts and opaque objects only,
/// `APPEND` lists and opaque objects only, as in torch's own restricted reader.
package struct Unpickler {
  var reader: PickleReader
  let limits: PickleLimits
  var pickle = Pickle()
  var stack: [PickleValue] = []
  /// The stack's height at each open `MARK`.
  var marks: [Int] = []
  var memo: [UInt32: PickleValue] = [:]
  /// Entries copied from one container into another.
  var copiedCount = 0
  /// Bytes of memory that may still be taken; about right, for a bound and not for a bill.
  var memoryBudget: Int
  /// The highest that the stack was.
  private var stackHeight = 0
  /// The opcode at work and its place, for errors.
  var opcode = PickleOpcode.proto
  var place = 0

  init(_ reader: PickleReader, limits: PickleLimits) {
    self.reader = reader
    self.limits = limits
    memoryBudget = limits.memoryByteCount.addingReportingOverflow(reader.remaining).partialValue
  }

  /// Reads one pickle.
  ///
  /// - Parameters:
  ///   - start: its first byte.
  ///   - name: what errors call it.
  /// - Throws: a `pickle.…` error that names the byte and the opcode; `file.unreadable`.
  /// - Complexity: O(bytes of the pickle), in time and in memory.
  package static func read(
    _ source: ByteSource, from start: Int = 0, name: String, limits: PickleLimits = PickleLimits()
  ) throws -> Pickle {
    let range = start..<max(start, source.byteCount)
    return try read(PickleReader(source, range, name: name), limits: limits)
  }

  /// Reads the pickle that fills a range of a source, from whose start errors count bytes.
  ///
  /// - Throws: as the other one.
  static func read(_ source: ByteSource, _ range: Range<Int>, name: String) throws -> Pickle {
    try read(PickleReader(source, range, origin: range.lowerBound, name: name), limits: PickleLimits())
  }

  private static func read(_ reader: PickleReader, limits: PickleLimits) throws -> Pickle {
    var unpickler = Unpickler(reader, limits: limits)
    try unpickler.run()
    return unpickler.pickle
  }

  private mutating func run() throws {
    try readProtocol()
    while true {
      try Task.checkCancellation()
      for _ in 0..<(1 << 14) {
        place = reader.position
        let byte = try reader.byte()
        guard let next = PickleOpcode(rawValue: byte) else {
          throw reader.error(
            .unknownOpcode, at: place, "the byte 0x\(String(byte, radix: 16)) is no opcode of a pickle")
        }
        opcode = next
        if opcode == .stop { return try finish() }
        try step()
      }
    }
  }

  private mutating func readProtocol() throws {
    place = reader.position
    guard try reader.byte() == PickleOpcode.proto.rawValue else {
      throw reader.error(
        .pickleProtocol, at: place, "the pickle does not begin with a protocol, as torch writes it")
    }
    let version = try reader.byte()
    guard (2...5).contains(version) else {
      throw reader.error(
        .pickleProtocol, at: place, "the pickle has protocol \(version), and torch writes 2 to 5")
    }
  }

  private mutating func finish() throws {
    guard marks.isEmpty, stack.count == 1, let root = stack.first else {
      throw mismatch("the pickle ends with \(stack.count) values and \(marks.count) marks on its stack")
    }
    pickle.root = root
    pickle.end = reader.position
  }

  private mutating func step() throws {
    switch opcode {
    case .none: try push(.none)
    case .newtrue: try push(.bool(true))
    case .newfalse: try push(.bool(false))
    case .binint:
      try push(.int(Int(Int32(truncatingIfNeeded: try reader.unsigned(byteCount: 4)))))
    case .binint1: try push(.int(Int(try reader.byte())))
    case .binint2: try push(.int(Int(truncatingIfNeeded: try reader.unsigned(byteCount: 2))))
    case .long1: try pushInteger(try reader.bytes(UInt64(try reader.byte())))
    case .long4: try pushInteger(try counted(4))
    case .binfloat: try push(.float(try reader.bigEndianDouble()))
    case .shortBinunicode, .shortBinstring: try pushText(try counted(1))
    case .binunicode, .binstring: try pushText(try counted(4))
    case .binunicode8: try pushText(try counted(8))
    case .shortBinbytes: try push(node: .bytes(try counted(1)))
    case .binbytes: try push(node: .bytes(try counted(4)))
    case .binbytes8, .bytearray8: try push(node: .bytes(try counted(8)))
    default: try stepOnStack()
    }
  }

  private mutating func stepOnStack() throws {
    switch opcode {
    case .mark:
      guard marks.count < limits.stackDepth else { throw tooLarge("marks") }
      marks.append(stack.count)
    case .pop:
      if marks.last == stack.count { marks.removeLast() } else { _ = try pop() }
    case .popMark: _ = try popToMark()
    case .emptyTuple: try push(node: .tuple([]))
    case .tuple: try push(node: .tuple(try popToMark()))
    case .tuple1: try push(node: .tuple(try pop(1)))
    case .tuple2: try push(node: .tuple(try pop(2)))
    case .tuple3: try push(node: .tuple(try pop(3)))
    case .emptyList: try push(node: .list([]))
    case .emptyDict: try push(node: .dict([]))
    case .emptySet: try push(node: .set([]))
    case .frozenset: try push(node: .set(try popToMark()))
    case .append: try append(try pop(1))
    case .appends: try append(try popToMark())
    case .additems: try add(try popToMark())
    case .setitem: try set(try pop(2))
    case .setitems: try set(try popToMark())
    default: try stepOnNames()
    }
  }

  private mutating func stepOnNames() throws {
    switch opcode {
    case .binput: try store(UInt32(try reader.byte()))
    case .longBinput: try store(UInt32(truncatingIfNeeded: try reader.unsigned(byteCount: 4)))
    case .memoize: try store(UInt32(truncatingIfNeeded: memo.count))
    case .binget: try fetch(UInt32(try reader.byte()))
    case .longBinget: try fetch(UInt32(truncatingIfNeeded: try reader.unsigned(byteCount: 4)))
    case .global:
      let module = try reader.line(limit: limits.nameByteCount)
      try pushGlobal(module: module, name: try reader.line(limit: limits.nameByteCount))
    case .stackGlobal:
      let names = try pop(2)
      guard case .string(let module) = names[0], case .string(let name) = names[1] else {
        throw reader.error(.invalidGlobal, at: place, "\(opcode.name) is given no names")
      }
      try pushGlobal(module: Array(module.utf8), name: Array(name.utf8))
    case .reduce, .newobj:
      let parts = try pop(2)
      try call(parts[0], parts[1])
    case .newobjEx:
      let parts = try pop(3)
      // The keyword arguments are kept as the state that the class would see first.
      try call(parts[0], parts[1], keywords: parts[2])
    case .build: try build(try pop())
    case .binpersid:
      let identifier = try pop()
      try charge(MemoryLayout<PickleValue>.stride)
      pickle.persistentIDs.append(identifier)
      try push(node: .persistent(identifier))
    case .frame:
      let length = try reader.unsigned(byteCount: 8)
      guard length <= UInt64(reader.remaining) else {
        throw reader.error(.truncatedPickle, at: place, "a frame of \(length) bytes exceeds the file")
      }
    default:
      throw reader.error(
        .refusedOpcode, at: place, "the opcode \(opcode.name) is not written by torch.save and is refused")
    }
  }
}

// MARK: The stack

extension Unpickler {
  func mismatch(_ message: String) -> RBNError {
    reader.error(.pickleTypeMismatch, at: place, message)
  }

  func tooLarge(_ what: String) -> RBNError {
    reader.error(.pickleTooLarge, at: place, "the pickle needs more \(what) than the limit allows")
  }

  func underflow() -> RBNError {
    reader.error(.stackUnderflow, at: place, "\(opcode.name) needs more values than there are")
  }

  /// Takes memory from the budget before it is asked for.
  mutating func charge(_ byteCount: Int) throws {
    guard byteCount <= memoryBudget else { throw tooLarge("memory") }
    memoryBudget -= byteCount
  }

  mutating func push(_ value: PickleValue) throws {
    guard stack.count < limits.stackDepth else { throw tooLarge("values on its stack") }
    if stack.count == stackHeight {
      try charge(MemoryLayout<PickleValue>.stride)
      stackHeight += 1
    }
    stack.append(value)
  }

  mutating func push(node: PickleNode) throws {
    guard pickle.nodes.count < limits.nodeCount else { throw tooLarge("values") }
    try charge(MemoryLayout<PickleNode>.stride + node.heapByteCount)
    pickle.nodes.append(node)
    try push(.node(pickle.nodes.count - 1))
  }

  /// The height below which the values belong to an enclosing mark.
  var floor: Int { marks.last ?? 0 }

  mutating func pop() throws -> PickleValue {
    guard stack.count > floor, let value = stack.popLast() else { throw underflow() }
    return value
  }

  mutating func pop(_ count: Int) throws -> [PickleValue] {
    guard stack.count - floor >= count else { throw underflow() }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  mutating func popToMark() throws -> [PickleValue] {
    guard let height = marks.popLast(), height <= stack.count else { throw underflow() }
    defer { stack.removeSubrange(height...) }
    return Array(stack[height...])
  }

  /// Changes the node on top of the stack in place; `change` says whether the node is one that it fits.
  mutating func changeTop(_ change: (inout PickleNode) -> Bool) throws {
    guard stack.count > floor, let top = stack.last else { throw underflow() }
    guard case .node(let index) = top, pickle.nodes.indices.contains(index), change(&pickle.nodes[index])
    else {
      throw mismatch("\(opcode.name) does not fit \(pickle.summary(top))")
    }
  }

  mutating func store(_ index: UInt32) throws {
    guard stack.count > floor, let top = stack.last else { throw underflow() }
    guard memo.count < limits.memoCount else { throw tooLarge("memo entries") }
    // A dictionary has room for about twice its entries.
    try charge(2 * MemoryLayout<(UInt32, PickleValue)>.stride)
    memo[index] = top
  }

  mutating func fetch(_ index: UInt32) throws {
    guard let value = memo[index] else {
      throw reader.error(
        .undefinedMemo, at: place, "\(opcode.name) fetches the memo entry \(index), which was never stored")
    }
    try push(value)
  }
}
