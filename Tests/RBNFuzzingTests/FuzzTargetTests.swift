import Foundation
import RBNFuzzing
import Testing

/// Every fuzzing target fed its seeds and seeded changes of them: what `tools/fuzz.sh` does for longer, and under
/// sanitizers.
@Suite struct FuzzTargetTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent()
    .deletingLastPathComponent()

  /// The names and the patterns of `tools/fuzz/targets.txt`.
  private static func table() throws -> [(name: String, patterns: [String])] {
    let text = try String(contentsOf: root.appendingPathComponent("tools/fuzz/targets.txt"), encoding: .utf8)
    return text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
      let words = line.split(separator: " ").map(String.init)
      return (words[0], Array(words.dropFirst(2)))
    }
  }

  private static func seeds(_ patterns: [String]) -> [String] {
    patterns.flatMap { pattern -> [String] in
      var result = glob_t()
      defer { globfree(&result) }
      guard glob(root.appendingPathComponent("fixtures/\(pattern)").path, 0, nil, &result) == 0 else {
        return []
      }
      return (0..<Int(result.gl_pathc)).compactMap { result.gl_pathv[$0].map { String(cString: $0) } }
    }
  }

  @Test func everyTargetIsInTheTable() throws {
    #expect(try Self.table().map(\.name) == FuzzTarget.all.map(\.name))
    for (name, patterns) in try Self.table() {
      for pattern in patterns { #expect(!Self.seeds([pattern]).isEmpty, "\(name): \(pattern)") }
    }
  }

  @Test(arguments: FuzzTarget.all.map(\.name)) func seedsAndTheirMutantsAreReadOrRefused(name: String) throws
  {
    let target = try #require(FuzzTarget.all.first { $0.name == name })
    let patterns = try #require(try Self.table().first { $0.name == name }?.patterns)
    let seeds = try Self.seeds(patterns).map { [UInt8](try Data(contentsOf: URL(fileURLWithPath: $0))) }
    let accepted = seeds.count { target.run($0) }
    #expect(accepted > 0, "no seed is sound")
    var random = SplitMix64(seed: 7)
    var acceptedMutants = 0
    for turn in 0..<400 {
      var bytes = seeds[turn % seeds.count]
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let seed = random.next()
        bytes = target.mutate(bytes, limit: 1 << 20, random: &random) {
          Self.damaged($0, limit: $1, seed: seed)
        }
      }
      if target.run(bytes) { acceptedMutants += 1 }
    }
    // Mutants that are all refused would only ever test the first check.
    #expect(acceptedMutants > 0)
    // A scan reports and never refuses.
    #expect(acceptedMutants < 400 || name == "scan")
  }

  /// One to four bytes changed, inserted or left out.
  private static func damaged(_ bytes: [UInt8], limit: Int, seed: UInt64) -> [UInt8] {
    var random = SplitMix64(seed: seed)
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let index = Int.random(in: 0...bytes.count, using: &random)
      switch Int.random(in: 0..<3, using: &random) {
      case 0 where bytes.count < limit: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
      case 1 where index < bytes.count: bytes.remove(at: index)
      default: if index < bytes.count { bytes[index] = UInt8.random(in: 0...255, using: &random) }
      }
    }
    return bytes
  }
}
