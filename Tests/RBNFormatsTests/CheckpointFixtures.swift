import Foundation
import RBNTensor
import Testing

@testable import RBNFormats

/// The committed checkpoints, and what must be read from them.
enum CheckpointFixtures {
  /// A tensor of an expected state dict; `array` names its values in `expected.npz`.
  struct ExpectedTensor: Decodable {
    var key: String
    var dtype: String
    var array: String
  }

  struct Expected: Decodable {
    var tensors: [ExpectedTensor]
    var path: String
    var prefix: String
    var stateDictKey: String?
    var errorWithoutKey: String?

    enum CodingKeys: String, CodingKey {
      case tensors, path, prefix
      case stateDictKey = "state_dict_key"
      case errorWithoutKey = "error_without_key"
    }
  }

  static let folder = TestData.root.appendingPathComponent("fixtures/checkpoints")
  static let malformedFolder = TestData.root.appendingPathComponent("fixtures/malformed")
  static let shared = TestData.root.appendingPathComponent("../shared/data").standardized

  static func expected() throws -> [String: Expected] {
    try decode(folder.appendingPathComponent("expected.json"))
  }

  static func malformed() throws -> [String: String] {
    try decode(malformedFolder.appendingPathComponent("checkpoint-expected.json"))
  }

  static func arrays() throws -> [String: Tensor] {
    let path = folder.appendingPathComponent("expected.npz").path
    return Dictionary(try NumPy.readArchive(path).map { ($0.name, $0.tensor) }) { first, _ in first }
  }

  /// All the files, well-formed and malformed.
  static func files() throws -> [URL] {
    try expected().keys.sorted().map { folder.appendingPathComponent($0) }
      + malformed().keys.sorted().map { malformedFolder.appendingPathComponent($0) }
  }

  private static func decode<Value: Decodable>(_ url: URL) throws -> Value {
    try JSONDecoder().decode(Value.self, from: Data(contentsOf: url))
  }

  /// The elements as exact text, so that 64-bit integers, infinities and NaN compare as what they are.
  static func elements(_ tensor: Tensor) -> [String] {
    switch tensor.dtype {
    case .int64:
      tensor.withUnsafeBytes { bytes in
        bytes.indices(of: Int64.self).map { "\(bytes.element($0, Int64.self))" }
      }
    case .uint64:
      tensor.withUnsafeBytes { bytes in
        bytes.indices(of: UInt64.self).map { "\(bytes.element($0, UInt64.self))" }
      }
    case .float16, .bfloat16, .float32, .float64: tensor.doubles.map { "\($0)" }
    default: tensor.doubles.map { "\(Int($0))" }
    }
  }
}

extension UnsafeRawBufferPointer {
  fileprivate func indices<Element>(of type: Element.Type) -> Range<Int> {
    0..<(count / MemoryLayout<Element>.size)
  }

  fileprivate func element<Element: BitwiseCopyable>(_ index: Int, _ type: Element.Type) -> Element {
    loadUnaligned(fromByteOffset: index * MemoryLayout<Element>.size, as: type)
  }
}

/// What `body` throws as an `RBNError`; nil when it throws nothing.
func rbnError(_ body: () throws -> Void) -> RBNError? {
  do {
    try body()
    return nil
  } catch let error as RBNError {
    return error
  } catch {
    return RBNError(RBNError.Code("test.foreign-error"), .usage, "\(error)")
  }
}
