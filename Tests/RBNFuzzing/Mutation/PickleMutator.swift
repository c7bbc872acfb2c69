import RBNFormats

/// A run of pickles taken apart into opcodes, which are left out, repeated, moved, replaced or given other arguments.
///
/// What follows the last opcode that could be read, such as the storages of a legacy stream, stays behind it.
struct PickleMutator: FuzzMutator {
  func mutate(_ bytes: [UInt8], random: inout SplitMix64, raw: RawMutation) -> [UInt8]? {
    var (operations, rest) = Self.split(bytes)
    guard operations.count > 2 else { return nil }
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      // Not the protocol, without which nothing is read.
      let index = Int.random(in: 1..<max(operations.count, 2), using: &random)
      guard index < operations.count else { break }
      switch Int.random(in: 0..<7, using: &random) {
      case 0: operations.remove(at: index)
      case 1: operations.insert(operations[index], at: Int.random(in: 1...operations.count, using: &random))
      case 2: operations.swapAt(index, Int.random(in: 1..<operations.count, using: &random))
      case 3, 4: operations[index] = Self.changed(operations[index], random: &random, raw: raw)
      case 5: operations.insert(Self.snippet(&random), at: index)
      default: operations[index] = Self.snippet(&random)
      }
    }
    if random.once(in: 8) { rest = raw(rest, rest.count + 16) }
    return operations.flatMap { $0 } + rest
  }

  /// The opcodes with their arguments, and what follows the last one.
  static func split(_ bytes: [UInt8]) -> (operations: [[UInt8]], rest: [UInt8]) {
    var operations: [[UInt8]] = []
    var position = 0
    while position < bytes.count, let length = length(bytes, at: position), length <= bytes.count - position {
      operations.append(Array(bytes[position..<(position + length)]))
      position += length
      // Behind a STOP, only what begins as another pickle is one.
      if operations.last == [UInt8(ascii: ".")], position < bytes.count, bytes[position] != 0x80 { break }
    }
    return (operations, Array(bytes[position...]))
  }

  /// The bytes that an opcode takes with its argument (CPython, `Lib/pickletools.py`); nil where they end early.
  private static func length(_ bytes: [UInt8], at start: Int) -> Int? {
    func counted(_ width: Int) -> Int? {
      guard start + 1 + width <= bytes.count else { return nil }
      let count = bytes[(start + 1)..<(start + 1 + width)].reversed().reduce(UInt64(0)) {
        $0 << 8 | UInt64($1)
      }
      return count <= UInt64(bytes.count) ? 1 + width + Int(count) : nil
    }
    func lines(_ count: Int) -> Int? {
      var position = start + 1
      for _ in 0..<count {
        guard let end = bytes[min(position, bytes.count)...].firstIndex(of: 10) else { return nil }
        position = end + 1
      }
      return position - start
    }
    switch bytes[start] {
    case 0x80, 0x4B, 0x71, 0x68, 0x82: return 2
    case 0x4D, 0x83: return 3
    case 0x4A, 0x72, 0x6A, 0x84: return 5
    case 0x47, 0x95: return 9
    case 0x8A, 0x8C, 0x55, 0x43: return counted(1)
    case 0x8B, 0x58, 0x54, 0x42: return counted(4)
    case 0x8D, 0x8E, 0x96: return counted(8)
    case 0x63, 0x69: return lines(2)
    case 0x49, 0x4C, 0x46, 0x53, 0x56, 0x70, 0x67, 0x50: return lines(1)
    default: return 1
    }
  }

  /// An opcode with another argument of the same kind.
  private static func changed(_ operation: [UInt8], random: inout SplitMix64, raw: RawMutation) -> [UInt8] {
    guard let opcode = operation.first else { return operation }
    let argument = Array(operation.dropFirst())
    func counted<Count: FixedWidthInteger>(_ width: Count.Type) -> [UInt8] {
      let size = MemoryLayout<Count>.size
      let text = raw(Array(argument.dropFirst(size)), 64)
      // Sometimes the length is a lie.
      let count =
        random.once(in: 8) ? Count(truncatingIfNeeded: random.interestingInteger()) : Count(text.count)
      return [opcode] + littleEndian(count) + text
    }
    switch opcode {
    case 0x8A, 0x8C, 0x55, 0x43: return counted(UInt8.self)
    case 0x8B, 0x58, 0x54, 0x42: return counted(UInt32.self)
    case 0x8D, 0x8E, 0x96: return counted(UInt64.self)
    case 0x4A, 0x4B, 0x4D: return integer(random.interestingInteger())
    case 0x71, 0x68: return [opcode, UInt8.random(in: 0...24, using: &random)]
    default:
      return argument.isEmpty
        ? [opcode ^ 1 << UInt8.random(in: 0..<8, using: &random)] : [opcode] + raw(argument, 80)
    }
  }

  private static func integer(_ value: Int64) -> [UInt8] { [0x8A, 8] + littleEndian(value) }

  private static let names = [
    "torch._utils\n_rebuild_tensor_v2", "torch._utils\n_rebuild_tensor", "torch._utils\n_rebuild_tensor_v3",
    "torch._utils\n_rebuild_parameter", "torch._tensor\n_rebuild_from_type_v2", "torch\nTensor",
    "torch\nFloatStorage",
    "torch\nHalfStorage", "torch.storage\nUntypedStorage", "torch\nfloat32", "torch\nSize",
    "collections\nOrderedDict",
    "collections\ndefaultdict", "builtins\nset", "builtins\neval", "os\nsystem", "argparse\nNamespace",
    "a.b\nc.d",
  ]

  private static func snippet(_ random: inout SplitMix64) -> [UInt8] {
    let short: [[UInt8]] = [
      [0x28], [0x29], [0x5D], [0x7D], [0x8F], [0x52], [0x81], [0x62], [0x51], [0x73], [0x75], [0x61], [0x65],
      [0x30],
      [0x31], [0x74], [0x85], [0x86], [0x87], [0x93], [0x94], [0x92], [0x90], [0x91], [0x88], [0x4E], [0x32],
      [0x2E],
      [0x80, 2], [0x8C, 0], Array("I01\n".utf8), Array("S'x'\n".utf8), Array("Vx\n".utf8), Array("g0\n".utf8),
    ]
    switch Int.random(in: 0..<4, using: &random) {
    case 0: return integer(random.interestingInteger())
    case 1: return [0x63] + Array(names[Int.random(in: 0..<names.count, using: &random)].utf8) + [10]
    case 2: return [random.once(in: 2) ? 0x68 : 0x71, UInt8.random(in: 0...24, using: &random)]
    default: return short[Int.random(in: 0..<short.count, using: &random)]
    }
  }
}
