/// The type of a tensor's elements.
public enum DType: String, Codable, Hashable, Sendable, CaseIterable, CustomStringConvertible {
  case float32, float64, float16, bfloat16
  case int8, uint8, int16, uint16, int32, uint32, int64, uint64
  case bool

  /// The size of one element, in bytes.
  public var byteSize: Int {
    switch self {
    case .int8, .uint8, .bool: 1
    case .float16, .bfloat16, .int16, .uint16: 2
    case .float32, .int32, .uint32: 4
    case .float64, .int64, .uint64: 8
    }
  }

  /// Whether the elements are floating-point numbers.
  public var isFloatingPoint: Bool {
    switch self {
    case .float32, .float64, .float16, .bfloat16: true
    default: false
    }
  }

  /// The name that PyTorch gives it, without `torch.`: `float32`, `bfloat16`, `bool`, …
  public var description: String { rawValue }
}
