/// The distribution of the times of repeated calls, in milliseconds.
public struct LatencySummary: Codable, Hashable, Sendable {
  /// The number of calls.
  public var count: Int
  /// The shortest time.
  public var minimum: Double
  /// The arithmetic mean.
  public var mean: Double
  /// The time that half of the calls take no longer than.
  public var median: Double
  /// The time that nine of ten calls take no longer than.
  public var p90: Double
  /// The time that 99 of 100 calls take no longer than.
  public var p99: Double
  /// The longest time.
  public var maximum: Double

  /// Summarises times; nil for none.
  public init?(_ times: [Duration]) {
    let sorted = times.map { $0 / .milliseconds(1) }.sorted()
    guard let first = sorted.first, let last = sorted.last else { return nil }
    count = sorted.count
    minimum = first
    maximum = last
    mean = sorted.reduce(0, +) / Double(sorted.count)
    median = Self.quantile(0.5, of: sorted)
    p90 = Self.quantile(0.9, of: sorted)
    p99 = Self.quantile(0.99, of: sorted)
  }

  /// Linear between the closest ranks, as numpy's default.
  private static func quantile(_ fraction: Double, of sorted: [Double]) -> Double {
    let position = fraction * Double(sorted.count - 1)
    let lower = Int(position)
    let upper = min(lower + 1, sorted.count - 1)
    return sorted[lower] + (sorted[upper] - sorted[lower]) * (position - Double(lower))
  }
}
