/// How a resize computes a pixel from its neighbours, each exactly as Pillow's `Image.resize` does.
public enum Interpolation: String, Sendable, Hashable, CaseIterable, CustomStringConvertible {
  /// The source pixel under the centre of the destination pixel.
  case nearest
  /// A triangle, widened by the reduction so that downscaling averages (antialiasing).
  case bilinear
  /// A cubic with a = −0.5, widened by the reduction.
  case bicubic

  /// The name that Pillow, torchvision and timm give it.
  public var description: String { rawValue }

  /// The filter's radius in source pixels at scale 1.
  var support: Double {
    switch self {
    case .nearest: 0
    case .bilinear: 1
    case .bicubic: 2
    }
  }

  /// The filter's value at distance `x`.
  func weight(_ x: Double) -> Double {
    let x = abs(x)
    switch self {
    case .nearest: return 0
    case .bilinear: return x < 1 ? 1 - x : 0
    case .bicubic:
      // Keys' cubic with a = −1/2, in the evaluation order that Pillow's coefficients are rounded from.
      let a = -0.5
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
      return 0
    }
  }
}
