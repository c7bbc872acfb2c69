import CRBNKernels
import RBNGraph

/// The coefficients of ``InstanceAffine``, evaluated for the means of an instance: a(n,c) and d(n,c) in O(C).
package struct ChannelCalibration: Sendable {
  package let channels: Int
  /// Whether the result depends on the means.
  package let hasMean: Bool
  private let hasSigmoid: Bool
  private let rows: [Double]
  private let table: KernelTable

  /// - Parameter rows: (8, C), in the order of ``InstanceAffine/Row``.
  package init(rows: [Double], hasSigmoid: Bool, hasMean: Bool, table: KernelTable) {
    channels = rows.count / InstanceAffine.Row.allCases.count
    self.rows = rows
    self.hasSigmoid = hasSigmoid
    self.hasMean = hasMean
    self.table = table
  }

  /// Writes scale and shift of some channels of one instance.
  ///
  /// - Parameters:
  ///   - range: The channels.
  ///   - means: Of all channels; may be `nil` when there are none to use.
  func evaluate(
    _ range: Range<Int>, means: UnsafePointer<Double>?, scale: UnsafeMutablePointer<Float>,
    shift: UnsafeMutablePointer<Float>
  ) {
    rows.withUnsafeBufferPointer { rows in
      guard let start = rows.baseAddress else { return }
      var task = rbn_calibration_task(
        coefficients: start + range.lowerBound, coefficients_stride: channels,
        means: hasMean ? means.map { $0 + range.lowerBound } : nil, has_sigmoid: hasSigmoid ? 1 : 0,
        channels: range.count, scale: scale + range.lowerBound, shift: shift + range.lowerBound)
      table.calibrate.function(&task)
    }
  }

  /// Writes scale and shift (N, C) from the sums over `pixels` pixels, in parallel.
  ///
  /// - Parameter means: (N, C) of scratch; may be the sums themselves.
  func evaluate(
    batch: Int, sums: UnsafePointer<Double>?, pixels: Int, means: UnsafeMutablePointer<Double>,
    scale: UnsafeMutablePointer<Float>, shift: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let run = 256
    let runs = (channels + run - 1) / run
    pool.parallelFor(count: batch * runs) { index, _ in
      let (instance, part) = index.quotientAndRemainder(dividingBy: runs)
      let range = part * run..<min((part + 1) * run, channels)
      let offset = instance * channels
      if let sums { for c in range { means[offset + c] = sums[offset + c] / Double(pixels) } }
      evaluate(range, means: means + offset, scale: scale + offset, shift: shift + offset)
    }
  }
}
