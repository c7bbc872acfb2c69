import Foundation
import RBNRuntime

/// Committed files, and room for files of a test.
enum Fixtures {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func path(_ name: String) -> String { root.appendingPathComponent("fixtures/\(name)").path }

  static let digits = path("digits/digits-rbn.pt2")
  static let efficientNet = path("efficientnet-lite0/efficientnet-lite0.rbn")

  /// Every kind of file that the digits network is in.
  static let digitsFiles = ["pth", "pt2", "rbn"].map { path("digits/digits-rbn.\($0)") }

  /// The tensors of the held-out digits, by name.
  static func heldOut() throws -> [String: Tensor] {
    let tensors = try TensorFile.read(contentsOf: path("digits/heldout.npz"))
    return Dictionary(tensors.map { ($0.name, $0.tensor) }) { first, _ in first }
  }

  /// Calls `body` with a new folder, which is removed afterwards.
  static func withFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "rbn-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder.path)
  }

  /// The error of a call that must fail; nil when it succeeds or fails otherwise.
  static func error(_ body: () async throws -> Void) async -> RBNError? {
    do {
      try await body()
      return nil
    } catch {
      return error as? RBNError
    }
  }
}

extension Tensor {
  /// The rows of the first dimension from `start` on.
  func rows(_ start: Int, _ count: Int) throws -> Tensor {
    let size = self.count / shape[0]
    let values = Array(floats[(start * size)..<((start + count) * size)])
    return try Tensor(shape: Shape([count] + shape.dropFirst()), scalars: values)
  }

  /// The largest |difference| divided by the largest magnitude of `expected`.
  func error(against expected: Tensor) -> Double {
    guard shape == expected.shape else { return .infinity }
    let largest = expected.doubles.reduce(0) { max($0, abs($1)) }
    return zip(doubles, expected.doubles).reduce(0) { max($0, abs($1.0 - $1.1)) } / largest
  }
}
