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

  /// The source pixels that the destination pixels in `window` are made of.
  static func sources(
    source: Int, destination: Int, window: Range<Int>, interpolation: Interpolation
  ) -> Range<Int> {
    if source == destination { return window }
    let scale = Double(source) / Double(destination)
    let support = interpolation.support * max(scale, 1)
    let first = bounds(of: window.lowerBound, source: source, scale: scale, support: support)
    let last = bounds(of: window.upperBound - 1, source: source, scale: scale, support: support)
    return first.lowerBound..<max(last.upperBound, first.lowerBound)
  }

  private static func bounds(of index: Int, source: Int, scale: Double, support: Double) -> Range<Int> {
    let center = (Double(index) + 0.5) * scale
    let lower = max(Int(center - support + 0.5), 0)
    return lower..<max(min(Int(center + support + 0.5), source), lower)
  }

  /// The parts of a window whose coefficients are computed together, so that the table stays small.
  static func parts(
    of window: Range<Int>, source: Int, destination: Int, interpolation: Interpolation
  ) -> [Range<Int>] {
    let step = max(
      tableLimit / stride(source: source, destination: destination, interpolation: interpolation), 1)
    return Swift.stride(from: window.lowerBound, to: window.upperBound, by: step).map {
      $0..<min($0 + step, window.upperBound)
    }
  }

  private static let tableLimit = 1 << 20

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
      let bounds = Self.bounds(of: i, source: source, scale: scale, support: support)
      var sum = 0.0
      for x in bounds {
        sum += interpolation.weight((Double(x) - center + 0.5) * inverse)
      }
      for x in bounds {
        var weight = interpolation.weight((Double(x) - center + 0.5) * inverse)
        if sum != 0 { weight /= sum }
        let fixed = weight * Double(Int32(1) << Self.precision)
        weights[row * stride + x - bounds.lowerBound] = Int32(fixed < 0 ? fixed - 0.5 : fixed + 0.5)
      }
      first.append(bounds.lowerBound)
      count.append(bounds.count)
    }
  }
}
