/// A tensor that a network takes or gives.
public struct TensorDescription: Codable, Hashable, Sendable {
  /// The name in the exported program's signature, or `input` and `logits` for networks built from checkpoints.
  public var name: String
  /// The type of the elements.
  public var dtype: DType
  /// The sizes of the dimensions; nil for one that is free.
  public var shape: [Int?]

  /// `input float32 (any, 3, 224, 224)`.
  public var summary: String {
    "\(name) \(dtype) (" + shape.map { $0.map(String.init) ?? "any" }.joined(separator: ", ") + ")"
  }
}
