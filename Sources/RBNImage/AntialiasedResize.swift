import RBNTensor

/// Separable resampling with a filter that widens with the reduction, bit-exact with Pillow's `Image.resize`.
///
/// Columns first into an 8-bit intermediate, then rows. An axis whose size does not change is not filtered.
/// Only the pixels of the window are computed, and of the intermediate only the rows that they need, which
/// changes no pixel because each depends on its own coefficients alone.
enum AntialiasedResize {
  /// Coefficients are computed for so many columns at a time that the table stays below this many weights.
  private static let tableLimit = 1 << 20

  /// Resizes `image` to `width` × `height` and returns the part in `columns` × `rows` of the result.
  ///
  /// - Complexity: O(rows needed · columns · taps + rows · columns · taps).
  /// - Throws: `image.resize-too-large`, `system.out-of-memory`.
  static func resize(
    _ image: PixelBuffer, width: Int, height: Int, columns: Range<Int>, rows: Range<Int>,
    interpolation: Interpolation
  ) throws -> PixelBuffer {
    let vertical =
      height == image.height
      ? nil
      : ResamplingCoefficients(
        source: image.height, destination: height, window: rows, interpolation: interpolation)
    var needed = rows
    if let vertical, let first = vertical.first.first, let last = vertical.first.last,
      let lastCount = vertical.count.last
    {
      needed = first..<max(first, last + lastCount)
    }
    let intermediate = try filterColumns(
      image, width: width, columns: columns, rows: needed, interpolation: interpolation)
    guard let vertical else { return intermediate }
    return try filterRows(intermediate, firstRow: needed.lowerBound, coefficients: vertical)
  }

  /// The horizontal pass over the given rows; a copy when the width stays.
  private static func filterColumns(
    _ image: PixelBuffer, width: Int, columns: Range<Int>, rows: Range<Int>, interpolation: Interpolation
  ) throws -> PixelBuffer {
    try image.requireAffordable(columns: columns.count, rows: rows.count)
    let channels = image.channels
    return try PixelBuffer(width: columns.count, height: rows.count, channels: channels) { out in
      try image.withBytes { bytes in
        if width == image.width {
          let length = columns.count * channels
          for (index, row) in rows.enumerated() {
            let from = bytes + (row * image.width + columns.lowerBound) * channels
            (out + index * length).update(from: from, count: length)
          }
          return
        }
        let stride = ResamplingCoefficients.stride(
          source: image.width, destination: width, interpolation: interpolation)
        let step = max(tableLimit / stride, 1)
        for start in Swift.stride(from: columns.lowerBound, to: columns.upperBound, by: step) {
          let part = start..<min(start + step, columns.upperBound)
          let table = ResamplingCoefficients(
            source: image.width, destination: width, window: part, interpolation: interpolation)
          for (index, row) in rows.enumerated() {
            let to = out + (index * columns.count + start - columns.lowerBound) * channels
            let from = bytes + row * image.bytesPerRow
            if channels == 3 { filterRGBRow(from, to, table) } else { filterRow(from, to, table, channels) }
          }
        }
      }
    }
  }

  private static func filterRGBRow(
    _ source: UnsafePointer<UInt8>, _ destination: UnsafeMutablePointer<UInt8>,
    _ table: borrowing ResamplingCoefficients
  ) {
    let shift = ResamplingCoefficients.precision
    let half = Int32(1) << (shift - 1)
    let stride = table.stride
    table.weights.withUnsafeBufferPointer { weights in
      table.first.withUnsafeBufferPointer { first in
        table.count.withUnsafeBufferPointer { count in
          for i in 0..<count.count {
            var r = half
            var g = half
            var b = half
            var offset = first[i] &* 3
            let base = i &* stride
            for k in base..<(base &+ count[i]) {
              let weight = weights[k]
              r = r &+ Int32(source[offset]) &* weight
              g = g &+ Int32(source[offset &+ 1]) &* weight
              b = b &+ Int32(source[offset &+ 2]) &* weight
              offset = offset &+ 3
            }
            destination[i &* 3] = clip(r)
            destination[i &* 3 &+ 1] = clip(g)
            destination[i &* 3 &+ 2] = clip(b)
          }
        }
      }
    }
  }

  private static func filterRow(
    _ source: UnsafePointer<UInt8>, _ destination: UnsafeMutablePointer<UInt8>,
    _ table: borrowing ResamplingCoefficients, _ channels: Int
  ) {
    let half = Int32(1) << (ResamplingCoefficients.precision - 1)
    let stride = table.stride
    table.weights.withUnsafeBufferPointer { weights in
      for i in 0..<table.count.count {
        let first = table.first[i]
        let count = table.count[i]
        for channel in 0..<channels {
          var sum = half
          for k in 0..<count {
            sum = sum &+ Int32(source[(first &+ k) &* channels &+ channel]) &* weights[i &* stride &+ k]
          }
          destination[i &* channels &+ channel] = clip(sum)
        }
      }
    }
  }

  /// The vertical pass; row 0 of `image` is row `firstRow` of the image that the coefficients speak of.
  private static func filterRows(
    _ image: PixelBuffer, firstRow: Int, coefficients table: ResamplingCoefficients
  ) throws -> PixelBuffer {
    let length = image.bytesPerRow
    let rows = table.count.count
    try image.requireAffordable(columns: image.width, rows: rows)
    let sums = try TensorStorage(byteCount: length * MemoryLayout<Int32>.stride)
    return try PixelBuffer(width: image.width, height: rows, channels: image.channels) { out in
      try withExtendedLifetime(sums) {
        try image.withBytes { bytes in
          let sums = sums.bytes.bindMemory(to: Int32.self)
          guard let sum = sums.baseAddress else { return }
          let half = Int32(1) << (ResamplingCoefficients.precision - 1)
          for y in 0..<rows {
            sum.update(repeating: half, count: length)
            for k in 0..<table.count[y] {
              let row = bytes + (table.first[y] - firstRow + k) * length
              let weight = table.weights[y * table.stride + k]
              for x in 0..<length {
                sum[x] = sum[x] &+ Int32(row[x]) &* weight
              }
            }
            let to = out + y * length
            for x in 0..<length { to[x] = clip(sum[x]) }
          }
        }
      }
    }
  }

  @inline(__always)
  private static func clip(_ sum: Int32) -> UInt8 {
    UInt8(truncatingIfNeeded: min(max(sum >> ResamplingCoefficients.precision, 0), 255))
  }
}
