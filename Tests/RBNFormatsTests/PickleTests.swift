import RBNTensor
import Testing

@testable import RBNFormats

@Suite struct PickleTests {
  private func read(_ bytes: [UInt8], limits: PickleLimits = PickleLimits()) throws -> Pickle {
    try Unpickler.read(
      ByteSource(TensorStorage(copying: bytes), subject: .model), name: "test", limits: limits)
  }

  private func read(_ text: String) throws -> Pickle { try read(bytes(text)) }

  /// A pickle of protocol 2 whose opcodes are given as the characters of Latin-1.
  private func bytes(_ text: String) -> [UInt8] {
    [0x80, 2] + text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
  }

  @Test func scalarsHaveTheirValues() throws {
    // int.to_bytes, float and str as CPython pickles them.
    let cases: [([UInt8], String)] = [
      ([0x4E], "None"), ([0x88], "True"), ([0x89], "False"), ([0x4B, 0xFF], "the number 255"),
      ([0x4D, 0x00, 0xFF], "the number 65280"), ([0x4A, 0xFE, 0xFF, 0xFF, 0xFF], "the number -2"),
      ([0x8A, 0x00], "the number 0"), ([0x8A, 0x01, 0x80], "the number -128"),
      ([0x8A, 0x02, 0xFF, 0x00], "the number 255"),
      ([0x8A, 0x08, 0, 0, 0, 0, 0, 0, 0, 0x80], "the number \(Int.min)"),
      ([0x8A, 0x09, 0, 0, 0, 0, 0, 0, 0, 0x80, 0], "an integer of 9 bytes"),
      ([0x8B, 0x01, 0, 0, 0, 0x05], "the number 5"),
      ([0x47, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0], "the number 1.5"),
      ([0x58, 2, 0, 0, 0, 0xC3, 0xA9], "the text \"é\""), ([0x8C, 1, 0x61], "the text \"a\""),
      ([0x55, 1, 0x61], "the text \"a\""), ([0x55, 1, 0xFF], "1 bytes"), ([0x43, 1, 0x61], "1 bytes"),
      ([0x8E, 1, 0, 0, 0, 0, 0, 0, 0, 0x61], "1 bytes"),
    ]
    for (bytes, summary) in cases {
      let pickle = try read([0x80, 2] + bytes + [0x2E])
      #expect(pickle.summary(pickle.root) == summary)
    }
  }

  @Test func containersHoldTheirValues() throws {
    let list = try read("]q\u{0}(K\u{1}K\u{2}eh\u{0}a.")
    guard case .list(let values) = list.node(list.root) else {
      Issue.record("no list")
      return
    }
    #expect(values.map { list.summary($0) } == ["the number 1", "the number 2", "a list of 3 values"])
    let dict = try read("ccollections\nOrderedDict\n)R(K\u{1}NK\u{2}Nu}b.")
    #expect(dict.items(dict.root)?.count == 2)
    let pairs = try read("ccollections\nOrderedDict\n]](K\u{1}Nea\u{85}R.")
    #expect(pairs.items(pairs.root)?.count == 1)
    let set = try read("c__builtin__\nset\n](K\u{1}K\u{2}e\u{85}R.")
    #expect(set.summary(set.root) == "a set of 2 values")
  }

  @Test func callsStaySymbols() throws {
    let pickle = try read("cargparse\nNamespace\n)\u{81}}U\u{2}lrK\u{1}sb.")
    let object = try #require(pickle.object(pickle.root))
    #expect(pickle.callee(pickle.root)?.description == "argparse.Namespace")
    #expect(pickle.items(try #require(object.state))?.count == 1)
  }

  @Test func everyOpcodeHasItsName() {
    #expect(PickleOpcode.longBinput.name == "LONG_BINPUT")
    #expect(PickleOpcode.shortBinunicode.name == "SHORT_BINUNICODE")
    #expect(PickleOpcode.newobjEx.name == "NEWOBJ_EX")
    #expect(PickleOpcode.allCases.count == 68)
  }

  @Test(arguments: PickleOpcode.allCases) func everyOpcodeIsReadOrRefused(opcode: PickleOpcode) throws {
    let error = rbnError { _ = try read([0x80, 2, opcode.rawValue] + Array(repeating: 0x2E, count: 40)) }
    // PROTO is read as the first opcode, and here it is the second.
    if !opcode.isAccepted || opcode == .proto {
      #expect(error?.code == .refusedOpcode)
      #expect(error?.message.contains(opcode.name) == true)
    } else {
      #expect(error?.code != .refusedOpcode)
    }
  }

  @Test(arguments: [
    "os system", "posix system", "nt system", "sys exit", "subprocess Popen", "builtins eval",
    "builtins exec",
    "builtins getattr", "builtins __import__", "__builtin__ apply", "importlib import_module",
    "importlib.util module_from_spec", "runpy run_path", "operator attrgetter", "code interact",
    "torch os.system", "pickle loads", "_pickle loads",
  ]) func modulesThatRunCodeAreRefused(name: String) throws {
    let parts = name.split(separator: " ")
    let error = try #require(rbnError { _ = try read("c\(parts[0])\n\(parts[1])\n.") })
    #expect(error.code == .unsafeGlobal)
    #expect(error.message.contains("\(parts[0]).\(parts[1])"))
  }

  @Test(arguments: [
    "builtins set", "collections OrderedDict", "argparse Namespace", "code.models Net", "pathlib PosixPath",
    "numpy.core.multiarray scalar", "torch.optim.adam Adam", "ostrich Bird",
  ]) func otherNamesAreSymbols(name: String) throws {
    let parts = name.split(separator: " ")
    let pickle = try read("c\(parts[0])\n\(parts[1])\n.")
    #expect(pickle.global(pickle.root)?.description == "\(parts[0]).\(parts[1])")
  }

  @Test func limitsHold() throws {
    var limits = PickleLimits()
    limits.nodeCount = 10
    limits.stackDepth = 20
    limits.memoCount = 5
    func code(_ body: String) -> RBNError.Code? {
      rbnError { _ = try read(bytes(body), limits: limits) }?.code
    }
    #expect(code(String(repeating: "]0", count: 10) + "N.") == nil)
    #expect(code(String(repeating: "]0", count: 11) + "N.") == .pickleTooLarge)
    #expect(code(String(repeating: "N", count: 21)) == .pickleTooLarge)
    #expect(code(String(repeating: "(", count: 21)) == .pickleTooLarge)
    #expect(code("N" + (0..<6).map { "q\(UnicodeScalar(UInt8($0)))" }.joined() + ".") == .pickleTooLarge)
    // Two entries, copied into dict after dict.
    func copies(_ count: Int) -> String {
      "(ccollections\nOrderedDict\nq\u{0}]](NNeq\u{2}ah\u{2}a\u{85}q\u{1}"
        + String(repeating: "h\u{0}h\u{1}R0", count: count) + "t."
    }
    limits.nodeCount = 14
    #expect(code(copies(7)) == nil)
    #expect(code(copies(8)) == .pickleTooLarge)
  }

  @Test func depthNeedsNoStack() throws {
    let depth = 200_000
    let tuples = try read([0x80, 2, 0x29] + Array(repeating: 0x85, count: depth) + [0x2E])
    #expect(tuples.nodes.count == depth + 1)
    let lists =
      Array(repeating: UInt8(ascii: "]"), count: depth)
      + Array(repeating: UInt8(ascii: "a"), count: depth - 1)
    let nested = try read([0x80, 2] + lists + [0x2E])
    #expect(nested.nodes.count == depth)
    #expect(StorageReachability(nested).flags.allSatisfy { !$0 })
  }

  @Test func sharedValuesStayShared() throws {
    // 200 lists, each holding the one before it twice, 2^200 values when unfolded.
    var body: [UInt8] = [0x80, 2, 0x28, 0x5D, 0x71, 0]
    for index in UInt8(0)..<200 {
      body += [0x5D, 0x28, 0x68, index, 0x68, index, 0x65, 0x71, index + 1]
    }
    let pickle = try read(body + [0x74, 0x2E])
    #expect(pickle.nodes.count == 202)
    #expect(rbnError { _ = try StateDictSearch(pickle).find(key: nil) }?.code == .noStateDict)
  }

  @Test func valuesThatHoldThemselvesEndTheSearch() throws {
    let pickle = try read("}q\u{0}U\u{4}selfh\u{0}s.")
    #expect(rbnError { _ = try StateDictSearch(pickle).find(key: nil) }?.code == .noStateDict)
    #expect(rbnError { _ = try StateDictSearch(pickle).find(key: "self.self.self") }?.code == .noStateDict)
    #expect(
      rbnError { _ = try StateDictSearch(pickle).find(key: "self.other") }?.code == .unknownStateDictKey)
  }

  @Test func picklesLongerThanTheWindowAreRead() throws {
    let text = String(repeating: "a", count: 100_000)
    let length = withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian) { Array($0) }
    let pickle = try read([0x80, 2, 0x28, 0x58] + length + Array(text.utf8) + [0x4B, 7, 0x74, 0x2E])
    let values = try #require(pickle.tuple(pickle.root))
    guard case .string(let found) = values[0], case .int(7) = values[1] else {
      Issue.record("other values")
      return
    }
    #expect(found == text)
  }
}

/// Pickles that are small as files and large as values.
@Suite struct PickleBombTests {
  private func read(_ bytes: [UInt8]) throws -> Pickle {
    try Unpickler.read(ByteSource(TensorStorage(copying: bytes), subject: .model), name: "bomb")
  }

  private static func repeated(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
    Array(repeatElement(bytes, count: count).joined())
  }

  /// The bytes of a text in which every character stands for one.
  private static func latin1(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8($0.value) } }

  static let bombs: [(String, [UInt8])] = [
    ("empty tuples", repeated([0x29], 4_000_000)), ("None", repeated([0x4E], 4_000_000)),
    ("marks", repeated([0x28], 8_000_000)), ("memo", [0x4E] + repeated([0x94], 2_000_000)),
    ("tuples of three", [0x4E] + repeated([0x4E, 0x4E, 0x87], 1_000_000)),
    ("persistent ids", [0x4E] + repeated([0x51], 4_000_000)),
    ("names", repeated(Array("ca\nb\n".utf8), 400_000)),
    ("texts", repeated([0x8C, 16] + repeated([0x61], 16), 400_000)),
    (
      "the same values again and again",
      [0x5D, 0x71, 0, 0x28] + repeated([0x4E], 1000) + [0x65]
        + repeated(latin1("c__builtin__\nset\nh\0\u{85}R0"), 60_000)
    ),
  ]

  @Test(arguments: bombs.indices) func bombIsRefused(index: Int) throws {
    let (name, body) = Self.bombs[index]
    let error = try #require(rbnError { _ = try read([0x80, 4] + body + [0x2E]) }, "\(name)")
    #expect(error.code == .pickleTooLarge, "\(name): \(error)")
  }

  @Test func whatIsHonestFits() throws {
    // 20,000 small lists, and a list of half a million numbers.
    let lists = Self.repeated([0x5D, 0x28, 0x4B, 1, 0x4B, 2, 0x65, 0x61], 20_000)
    #expect(try read([0x80, 2, 0x5D] + lists + [0x2E]).nodes.count == 20_001)
    let numbers = Self.repeated([0x28] + Self.repeated([0x4E], 1000) + [0x65], 500)
    #expect(try read([0x80, 2, 0x5D] + numbers + [0x2E]).nodes.count == 1)
  }
}
