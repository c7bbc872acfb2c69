import Foundation
import RBNTensor
import Testing

@testable import RBNFormats

/// What PyTorch computed, from the folder `fixtures`.
enum GoldenFixtures {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("fixtures")

  static func path(_ name: String) -> String { root.appendingPathComponent(name).path }

  /// The tensors of a `.npz` file by name.
  static func tensors(_ name: String) throws -> [String: Tensor] {
    Dictionary(try NumPy.readArchive(path(name)).map { ($0.name, $0.tensor) }) { first, _ in first }
  }

  static func json(_ name: String) throws -> JSONNode {
    let bytes = [UInt8](try Data(contentsOf: root.appendingPathComponent(name)))
    return JSONNode(try JSONValue.parse(bytes, document: name), document: name)
  }

  /// `full  2.3e-07  1.1e-07  0.48`: columns of a table that a test prints.
  static func row(_ label: String, _ numbers: Double...) -> String {
    label.padding(toLength: max(44, label.count), withPad: " ", startingAt: 0)
      + numbers.map { String(format: "%10.2e", $0) }.joined()
  }
}

/// The largest |actual − expected|; infinite for another shape, or where only one of both is a number.
func largestDifference(_ actual: Tensor, _ expected: Tensor) -> Double {
  guard actual.shape == expected.shape else { return .infinity }
  return zip(actual.doubles, expected.doubles).reduce(0) { worst, pair in
    let difference = abs(pair.0 - pair.1)
    return max(worst, difference.isNaN ? .infinity : difference)
  }
}

/// The largest |element|.
func largestMagnitude(_ tensor: Tensor) -> Double { tensor.doubles.reduce(0) { max($0, abs($1)) } }
