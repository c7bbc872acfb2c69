@testable import RBNFormats

extension JSONValue {
  /// The document with one value somewhere in it replaced by a hostile one, or one member removed.
  func mutated(using generator: inout SeededGenerator) -> JSONValue {
    switch self {
    case .array(var elements) where !elements.isEmpty && Int.random(in: 0..<8, using: &generator) > 0:
      let index = Int.random(in: 0..<elements.count, using: &generator)
      elements[index] = elements[index].mutated(using: &generator)
      return .array(elements)
    case .object(var object) where !object.members.isEmpty && Int.random(in: 0..<8, using: &generator) > 0:
      let member = object.members[Int.random(in: 0..<object.members.count, using: &generator)]
      object[member.key] =
        Int.random(in: 0..<8, using: &generator) == 0 ? nil : member.value.mutated(using: &generator)
      return .object(object)
    default:
      let hostile: [JSONValue] = [
        nil, true, 0, 1, -1, .int(.max), .int(.min), 4_611_686_018_427_387_904, 1e300, -0.5, "", "weight_0",
        "../x", "NaN",
        [], [0], [.int(.max), 2], [:], ["as_int": .int(.max)], ["as_int": -1], ["as_none": true],
        ["as_tensor": ["name": "x"]],
      ]
      return hostile[Int.random(in: 0..<hostile.count, using: &generator)]
    }
  }
}
