import RBNTensor

/// A parser, what feeds it, and how its inputs are changed so that they get past checksums and headers.
///
/// `tools/fuzz.sh` runs a target under libFuzzer; the tests feed every target its seeds and seeded changes of them.
package struct FuzzTarget: Sendable {
  /// The name on the command line and in `tools/fuzz/targets.txt`.
  package let name: String
  private let body: @Sendable ([UInt8]) throws -> Void
  private let mutator: (any FuzzMutator)?

  init(
    _ name: String, mutator: (any FuzzMutator)? = nil, _ body: @escaping @Sendable ([UInt8]) throws -> Void
  ) {
    self.name = name
    self.mutator = mutator
    self.body = body
  }

  /// All targets.
  package static let all: [FuzzTarget] = [
    .archive, .pickle, .checkpoint, .legacy, .json, .graph, .exportedProgram, .bundle, .numPy, .jpeg, .png,
    .scan,
  ]

  /// Feeds bytes to the parser.
  ///
  /// - Returns: whether they were accepted. A refusal is an `RBNError`; an error of another kind ends the process, as a
  ///   trap does, and is a finding.
  @discardableResult
  package func run(_ bytes: [UInt8]) -> Bool {
    do {
      try body(bytes)
      return true
    } catch is RBNError {
      return false
    } catch {
      fatalError("\(name): an error that is no RBNError: \(error)")
    }
  }

  /// An input made of another one.
  ///
  /// - Parameters:
  ///   - limit: the most bytes of the result.
  ///   - raw: changes some bytes without regard to their meaning, to at most the given number.
  package func mutate(
    _ bytes: [UInt8], limit: Int, random: inout SplitMix64, raw: @escaping RawMutation
  ) -> [UInt8] {
    let choice = Int.random(in: 0..<8, using: &random)
    if choice > 0, let mutator, let changed = mutator.mutate(bytes, random: &random, raw: raw),
      changed.count <= limit
    {
      return choice == 7 ? raw(changed, limit) : changed
    }
    return raw(bytes, limit)
  }
}

/// Changes bytes without regard to their meaning: the bytes, and the most that may come back.
package typealias RawMutation = ([UInt8], Int) -> [UInt8]

/// Changes a file in the terms of its format, and repairs what its reader checks first.
protocol FuzzMutator: Sendable {
  /// The changed file; nil when the bytes are not of the format.
  func mutate(_ bytes: [UInt8], random: inout SplitMix64, raw: RawMutation) -> [UInt8]?
}

/// The first of two mutators whose format the bytes have.
struct EitherMutator: FuzzMutator {
  let first: any FuzzMutator
  let second: any FuzzMutator

  func mutate(_ bytes: [UInt8], random: inout SplitMix64, raw: RawMutation) -> [UInt8]? {
    first.mutate(bytes, random: &random, raw: raw) ?? second.mutate(bytes, random: &random, raw: raw)
  }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers in every run.
package struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}

extension RandomNumberGenerator {
  /// True once in `count` times.
  mutating func once(in count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }

  /// An integer at which parsers go wrong: around powers of two, around 0, and the least and the greatest.
  mutating func interestingInteger() -> Int64 {
    let power = Int64(1) << Int64.random(in: 0..<63, using: &self)
    let candidates: [Int64] = [
      0, 1, -1, 2, 3, 7, .max, .min, .max / 4, power, power &- 1, power &+ 1, -power,
    ]
    return candidates[Int.random(in: 0..<candidates.count, using: &self)]
  }
}

/// Integers of any width, little-endian or big-endian, for files under construction.
func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) }
}
func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.bigEndian) { [UInt8]($0) }
}
