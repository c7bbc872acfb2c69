import RBNFormats

/// A document parsed, changed at one to three places of its tree, and written again.
struct JSONMutator: FuzzMutator {
  func mutate(_ bytes: [UInt8], random: inout SplitMix64, raw: RawMutation) -> [UInt8]? {
    guard let value = try? JSONValue.parse(bytes, document: "seed") else { return nil }
    var changed = value
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      let other = Self.pick(value, &random)
      changed = Self.change(changed, other: other, &random, raw)
    }
    return Array(changed.text().utf8)
  }

  /// A value somewhere in a document.
  private static func pick(_ value: JSONValue, _ random: inout SplitMix64) -> JSONValue {
    var value = value
    while !random.once(in: 6) {
      switch value {
      case .array(let elements):
        guard let next = elements.randomElement(using: &random) else { return value }
        value = next
      case .object(let object):
        guard let next = object.members.randomElement(using: &random) else { return value }
        value = next.value
      default: return value
      }
    }
    return value
  }

  private static func change(
    _ value: JSONValue, other: JSONValue, _ random: inout SplitMix64, _ raw: RawMutation
  ) -> JSONValue {
    let descends = !random.once(in: 12)
    switch value {
    case .array(var elements) where descends && !elements.isEmpty:
      let index = Int.random(in: 0..<elements.count, using: &random)
      switch Int.random(in: 0..<16, using: &random) {
      case 0: elements.remove(at: index)
      case 1: elements.insert(elements[index], at: Int.random(in: 0...elements.count, using: &random))
      case 2: elements.insert(other, at: index)
      case 3: elements.swapAt(index, Int.random(in: 0..<elements.count, using: &random))
      default: elements[index] = change(elements[index], other: other, &random, raw)
      }
      return .array(elements)
    case .object(var object) where descends && !object.members.isEmpty:
      guard let member = object.members.randomElement(using: &random) else { return value }
      switch Int.random(in: 0..<24, using: &random) {
      case 0: object[member.key] = nil
      case 1: object[text(member.key, raw)] = member.value
      case 2: object[member.key] = other
      default: object[member.key] = change(member.value, other: other, &random, raw)
      }
      return .object(object)
    default: return replaced(value, other: other, &random, raw)
    }
  }

  private static func replaced(
    _ value: JSONValue, other: JSONValue, _ random: inout SplitMix64, _ raw: RawMutation
  ) -> JSONValue {
    if random.once(in: 4) { return other }
    switch value {
    case .int(let number):
      let nearby: [Int64] = [number &+ 1, number &- 1, number &* 2, -1 &* number, number / 2]
      return .int(
        random.once(in: 2) ? random.interestingInteger() : nearby.randomElement(using: &random) ?? 0)
    case .double:
      return .double([0, -1, 1e300, .leastNonzeroMagnitude, -0.0].randomElement(using: &random) ?? 0)
    case .bool(let flag): return .bool(!flag)
    case .string(let string) where random.once(in: 2): return .string(text(string, raw))
    default:
      let hostile: [JSONValue] = [
        nil, true, 0, 1, -1, .int(.max), "", "NaN", "../x", [], [0], [.int(.max), 2], [:],
        ["as_int": .int(.max)],
        ["as_none": true], ["as_tensor": ["name": "x"]], ["parameter": "x"],
      ]
      return hostile.randomElement(using: &random) ?? nil
    }
  }

  private static func text(_ string: String, _ raw: RawMutation) -> String {
    String(decoding: raw(Array(string.utf8), string.utf8.count + 8), as: UTF8.self)
  }
}
