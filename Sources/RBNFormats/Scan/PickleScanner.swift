import RBNTensor

/// Finds every name that a pickle would look up, by walking over its opcodes; nothing is looked up.
///
/// Other than ``Unpickler`` it reads all protocols, 0 to 5, and goes on where a pickle makes no sense: readers that
/// call what they find have called it by then. Values on the stack are kept only as far as they can be names.
struct PickleScanner {
  /// A name that a pickle would look up.
  struct Mention: Hashable {
    /// Nil for a name that the pickle puts together while it is read, and for an entry of the registry of extensions.
    var global: PickleGlobal?
    /// The opcode by which it is first looked up.
    var opcode: PickleOpcode
    /// The opcode's place, counted from the start of the source.
    var place: Int
    /// Whether it is called, and not only named.
    var isCalled = false
  }

  /// What is known of a value.
  private enum Slot {
    case mark
    case text(String)
    /// What a lookup gave: an index of ``mentions``.
    case mention(Int)
    case other
  }

  /// More than any honest pickle has on its stack or in its memo. What is beyond can't be forgotten: a name could hide in it.
  private static let maximumSlotCount = 1 << 18
  /// The most different names that are kept.
  private static let maximumMentionCount = 10_000
  /// The longest text that can be a name.
  private static let maximumNameByteCount = 1 << 12

  /// In the order of their first occurrence, each once.
  private(set) var mentions: [Mention] = []
  /// Behind the `STOP`, or where it broke off.
  private(set) var end = 0
  /// Why the pickle can't be read to its end.
  private(set) var problem: RBNError?
  /// The opcodes that were read.
  private(set) var opcodeCount = 0

  private var reader: PickleReader
  private var stack: [Slot] = []
  private var memo: [Int: Slot] = [:]
  private var known: [PickleGlobal: Int] = [:]
  private var opcode = PickleOpcode.stop
  private var place = 0

  /// Reads the pickle that a range begins with.
  ///
  /// - Throws: `file.unreadable`; `CancellationError`. What is wrong with the pickle is ``problem``.
  init(_ source: ByteSource, _ range: Range<Int>, origin: Int, name: String) throws {
    reader = PickleReader(source, range, origin: origin, name: name)
    do {
      try run()
    } catch let error as RBNError where error.code != .unreadableFile && error.code != .truncatedArchive {
      problem = error
    }
    end = reader.position
  }

  private mutating func run() throws {
    while true {
      if opcodeCount.isMultiple(of: 1 << 14) { try Task.checkCancellation() }
      place = reader.position
      let byte = try reader.byte()
      guard let next = PickleOpcode(rawValue: byte) else {
        throw reader.error(
          .unknownOpcode, at: place, "the byte 0x\(String(byte, radix: 16)) is no opcode of a pickle")
      }
      opcode = next
      opcodeCount += 1
      if opcode == .stop { return }
      try step()
    }
  }

  private mutating func step() throws {
    switch opcode {
    case .proto, .binint1: try skip(1)
    case .binint2: try skip(2)
    case .binint: try skip(4)
    case .binfloat, .frame: try skip(8)
    case .long1, .shortBinbytes: try skip(counted: 1)
    case .long4, .binbytes: try skip(counted: 4)
    case .binbytes8, .bytearray8: try skip(counted: 8)
    case .shortBinunicode, .shortBinstring: try pushText(width: 1)
    case .binunicode, .binstring: try pushText(width: 4)
    case .binunicode8: try pushText(width: 8)
    case .int, .long, .float, .persid: _ = try line()
    case .string: try push(text: Self.unquoted(try line()))
    case .unicode: try push(text: try line())
    default: return try stepOnStack()
    }
    switch opcode {
    case .proto, .frame, .shortBinunicode, .shortBinstring, .binunicode, .binstring, .binunicode8, .string,
      .unicode:
      break
    default: try push(.other)
    }
  }

  private mutating func stepOnStack() throws {
    switch opcode {
    case .mark: try push(.mark)
    case .pop: _ = stack.popLast()
    case .popMark: popToMark()
    case .dup: try push(stack.last ?? .other)
    case .none, .newtrue, .newfalse, .emptyTuple, .emptyList, .emptyDict, .emptySet, .nextBuffer:
      try push(.other)
    case .tuple, .list, .dict, .frozenset: try replaceMarked()
    case .tuple1, .binpersid: try replace(1)
    case .tuple2: try replace(2)
    case .tuple3: try replace(3)
    case .append, .build: drop(1)
    case .setitem: drop(2)
    case .appends, .setitems, .additems: popToMark()
    default: try stepOnNames()
    }
  }

  private mutating func stepOnNames() throws {
    switch opcode {
    case .binput: try store(Int(try reader.byte()))
    case .longBinput: try store(Int(truncatingIfNeeded: try reader.unsigned(byteCount: 4)))
    case .memoize: try store(memo.count)
    case .put: try store(try index())
    case .binget: try fetch(Int(try reader.byte()))
    case .longBinget: try fetch(Int(truncatingIfNeeded: try reader.unsigned(byteCount: 4)))
    case .get: try fetch(try index())
    case .global:
      try mention(try global())
    case .stackGlobal:
      let name = stack.popLast()
      let module = stack.popLast()
      if case .text(let module) = module, case .text(let name) = name {
        try mention(PickleGlobal(module: module, name: name))
      } else {
        try mention(nil)
      }
    case .inst:
      popToMark()
      try mention(try global())
      call(stack.last)
    case .obj:
      let start = stack.lastIndex { if case .mark = $0 { true } else { false } }
      if let start, start + 1 < stack.count { call(stack[start + 1]) }
      try replaceMarked()
    case .reduce, .newobj:
      if stack.count >= 2 { call(stack[stack.count - 2]) }
      try replace(2)
    case .newobjEx:
      if stack.count >= 3 { call(stack[stack.count - 3]) }
      try replace(3)
    case .ext1, .ext2, .ext4:
      try skip(opcode == .ext1 ? 1 : opcode == .ext2 ? 2 : 4)
      try mention(nil)
    default: break
    }
  }

  // MARK: Names

  private mutating func mention(_ global: PickleGlobal?) throws {
    if let global, let index = known[global] { return try push(.mention(index)) }
    guard mentions.count < Self.maximumMentionCount else { throw tooLarge("names") }
    if let global { known[global] = mentions.count }
    mentions.append(Mention(global: global, opcode: opcode, place: place))
    try push(.mention(mentions.count - 1))
  }

  private func tooLarge(_ what: String) -> RBNError {
    reader.error(.pickleTooLarge, at: place, "the pickle has more \(what) than can be followed")
  }

  private mutating func call(_ slot: Slot?) {
    if case .mention(let index) = slot { mentions[index].isCalled = true }
  }

  // MARK: The stack

  private mutating func push(_ slot: Slot) throws {
    guard stack.count < Self.maximumSlotCount else { throw tooLarge("values on its stack") }
    stack.append(slot)
  }

  private mutating func push(text: String) throws {
    try push(text.utf8.count <= Self.maximumNameByteCount ? .text(text) : .other)
  }

  private mutating func drop(_ count: Int) { stack.removeLast(min(count, stack.count)) }

  private mutating func popToMark() {
    while let top = stack.popLast() { if case .mark = top { return } }
  }

  private mutating func replace(_ count: Int) throws {
    drop(count)
    try push(.other)
  }

  private mutating func replaceMarked() throws {
    popToMark()
    try push(.other)
  }

  private mutating func store(_ index: Int) throws {
    guard memo.count < Self.maximumSlotCount else { throw tooLarge("memo entries") }
    memo[index] = stack.last ?? .other
  }

  private mutating func fetch(_ index: Int) throws { try push(memo[index] ?? .other) }

  // MARK: Arguments

  private mutating func skip(_ count: Int) throws { _ = try reader.unsigned(byteCount: count) }

  private mutating func skip(counted width: Int) throws {
    try reader.skip(try reader.unsigned(byteCount: width))
  }

  private mutating func pushText(width: Int) throws {
    let count = try reader.unsigned(byteCount: width)
    guard count <= UInt64(Self.maximumNameByteCount) else {
      try reader.skip(count)
      return try push(.other)
    }
    try push(text: String(decoding: try reader.bytes(count), as: UTF8.self))
  }

  private mutating func line() throws -> String {
    String(decoding: try reader.line(limit: Self.maximumLineByteCount), as: UTF8.self)
  }

  /// The name in the two lines behind an opcode; nil where they are not UTF-8, which Python refuses.
  private mutating func global() throws -> PickleGlobal? {
    let module = try reader.line(limit: Self.maximumLineByteCount)
    let name = try reader.line(limit: Self.maximumLineByteCount)
    guard let module = String(validating: module, as: UTF8.self),
      let name = String(validating: name, as: UTF8.self)
    else { return nil }
    return PickleGlobal(module: module, name: name)
  }

  /// The index of a text opcode, which Python would also take with spaces or underscores.
  private mutating func index() throws -> Int {
    let text = try line()
    guard let index = Int(text), index >= 0 else {
      throw reader.error(.pickleTypeMismatch, at: place, "\(opcode.name) has no plain number")
    }
    return index
  }

  private static let maximumLineByteCount = 1 << 20

  private static func unquoted(_ text: String) -> String {
    guard let quote = text.first, quote == "'" || quote == "\"", text.count >= 2, text.last == quote else {
      return text
    }
    return String(text.dropFirst().dropLast())
  }
}
