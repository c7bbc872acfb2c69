/// The source pixels and fixed-point weights that each destination pixel of one axis is made of.
///
/// With scale = source / destination and s = max(scale, 1), destination pixel i has its centre at
/// c = (i + ½)·scale and gathers the source pixels x in [c − r·s + ½, c + r·s + ½) (both truncated, clipped to
/// the image), r being the filter's radius, with weights f((x − c + ½) / s) normalised to a sum of 1 in double
/// precision, and then rounded to multiples of 2^−22.
struct ResamplingCoefficients {
  /// Bits after the binary point: 32 less 8 for the sample and 2 for the overshoot of the cubic.
  static let precision = Int32(32 - 8 - 2)

  /// The first source pixel of each destination pixel of the window.
  private(set) var first: [Int]
  /// The number of source pixels of each destination pixel of the window.
  private(set) var count: [Int]
  /// The weights, ``stride`` for each destination pixel.
  private(set) var weights: [Int32]
  let stride: Int

  /// The largest number of source pixels that one destination pixel can need.
  static func stride(source: Int, destination: Int, interpolation: Interpolation) -> Int {
    let scale = max(Double(source) / Double(destination), 1)
    let support = interpolation.support * scale
    return min(Int(support.rounded(.up)) * 2 + 1, source)
  }

  /// Computes the coefficients of the destination pixels in `window`, a part of `0..<destination`.
  init(source: Int, destination: Int, window: Range<Int>, interpolation: Interpolation) {
    let scale = Double(source) / Double(destination)
    let filterScale = max(scale, 1)
    let support = interpolation.support * filterScale
    let inverse = 1 / filterScale
    stride = Self.stride(source: source, destination: destination, interpolation: interpolation)
    first = []
    count = []
    first.reserveCapacity(window.count)
    count.reserveCapacity(window.count)
    weights = [Int32](repeating: 0, count: window.count * stride)
    for (row, i) in window.enumerated() {
      let center = (Double(i) + 0.5) * scale
      let lower = max(Int(center - support + 0.5), 0)
      let upper = max(min(Int(center + support + 0.5), source), lower)
      var sum = 0.0
      for x in lower..<upper {
        sum += interpolation.weight((Double(x) - center + 0.5) * inverse)
      }
      for x in lower..<upper {
        var weight = interpolation.weight((Double(x) - center + 0.5) * inverse)
        if sum != 0 { weight /= sum }
        let fixed = weight * Double(Int32(1) << Self.precision)
        weights[row * stride + x - lower] = Int32(fixed < 0 ? fixed - 0.5 : fixed + 0.5)
      }
      first.append(lower)
      count.append(upper - lower)
    }
  }
}
