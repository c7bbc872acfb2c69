import RBNTensor

/// Separable resampling with a filter that widens with the reduction, bit-exact with Pillow's `Image.resize`.
///
/// Two passes with an 8-bit intermediate; an axis whose size does not change is not filtered. Only the pixels of
/// the window are computed, and of the intermediate only those that they need, which changes no pixel because
/// each depends on its own coefficients alone.
enum AntialiasedResize {
  /// Resizes `image` to `width` × `height` and returns the part in `columns` × `rows` of the result.
  ///
  /// - Complexity: O(pixels of the intermediate · taps + pixels of the result · taps).
  /// - Throws: `image.resize-too-large`, `system.out-of-memory`.
  static func resize(
    _ image: PixelBuffer, width: Int, height: Int, columns: Range<Int>, rows: Range<Int>,
    interpolation: Interpolation
  ) throws -> PixelBuffer {
    let horizontal = Axis(
      source: image.width, destination: width, window: columns, interpolation: interpolation)
    let vertical = Axis(
      source: image.height, destination: height, window: rows, interpolation: interpolation)
    if rowsGoFirst(image, width: width, height: height) {
      let intermediate = try filterRows(
        image, vertical, columns: horizontal.sources, origin: (column: 0, row: 0))
      return try filterColumns(
        intermediate, horizontal, rows: 0..<rows.count, origin: (horizontal.sources.lowerBound, 0))
    }
    let intermediate = try filterColumns(
      image, horizontal, rows: vertical.sources, origin: (column: 0, row: 0))
    return try filterRows(
      intermediate, vertical, columns: 0..<columns.count, origin: (0, vertical.sources.lowerBound))
  }

  /// Whether the vertical pass comes first; the order shows in the rounding of the intermediate.
  ///
  /// Pillow 13 does so when the height shrinks by more than twice as many pixels as the width does. Earlier
  /// releases always begin with the columns.
  private static func rowsGoFirst(_ image: PixelBuffer, width: Int, height: Int) -> Bool {
    height < image.height && image.height - height > 2 * (image.width - width)
  }

  /// One axis of a resize.
  private struct Axis {
    let source: Int
    let destination: Int
    let window: Range<Int>
    let interpolation: Interpolation

    var isUnchanged: Bool { source == destination }

    var sources: Range<Int> {
      ResamplingCoefficients.sources(
        source: source, destination: destination, window: window, interpolation: interpolation)
    }

    var parts: [Range<Int>] {
      ResamplingCoefficients.parts(
        of: window, source: source, destination: destination, interpolation: interpolation)
    }

    func coefficients(_ part: Range<Int>) -> ResamplingCoefficients {
      ResamplingCoefficients(
        source: source, destination: destination, window: part, interpolation: interpolation)
    }
  }

  /// The horizontal pass over `rows` of `image`, whose first pixel is at `origin` of the whole image.
  private static func filterColumns(
    _ image: PixelBuffer, _ axis: Axis, rows: Range<Int>, origin: (column: Int, row: Int)
  ) throws -> PixelBuffer {
    let width = axis.window.count
    let channels = image.channels
    try image.requireAffordable(columns: width, rows: rows.count)
    if axis.isUnchanged && width == image.width && rows == 0..<image.height { return image }
    return try PixelBuffer(width: width, height: rows.count, channels: channels) { out in
      try image.withBytes { bytes in
        if axis.isUnchanged {
          let offset = (axis.window.lowerBound - origin.column) * channels
          for (index, row) in rows.enumerated() {
            let from = bytes + (row * image.bytesPerRow + offset)
            (out + index * width * channels).update(from: from, count: width * channels)
          }
          return
        }
        for part in axis.parts {
          let table = axis.coefficients(part)
          for (index, row) in rows.enumerated() {
            let to = out + (index * width + part.lowerBound - axis.window.lowerBound) * channels
            // The table counts columns from those of the whole image.
            let from = bytes + row * image.bytesPerRow
            if channels == 3 {
              filterRGBRow(from, to, table, origin.column)
            } else {
              filterRow(from, to, table, origin.column, channels)
            }
          }
        }
      }
    }
  }

  private static func filterRGBRow(
    _ source: UnsafePointer<UInt8>, _ destination: UnsafeMutablePointer<UInt8>,
    _ table: borrowing ResamplingCoefficients, _ firstColumn: Int
  ) {
    let half = Int32(1) << (ResamplingCoefficients.precision - 1)
    let stride = table.stride
    table.weights.withUnsafeBufferPointer { weights in
      table.first.withUnsafeBufferPointer { first in
        table.count.withUnsafeBufferPointer { count in
          for i in 0..<count.count {
            var r = half
            var g = half
            var b = half
            var offset = (first[i] &- firstColumn) &* 3
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
    _ table: borrowing ResamplingCoefficients, _ firstColumn: Int, _ channels: Int
  ) {
    let half = Int32(1) << (ResamplingCoefficients.precision - 1)
    let stride = table.stride
    table.weights.withUnsafeBufferPointer { weights in
      for i in 0..<table.count.count {
        let first = table.first[i] - firstColumn
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

  /// The vertical pass over `columns` of `image`, whose first pixel is at `origin` of the whole image.
  private static func filterRows(
    _ image: PixelBuffer, _ axis: Axis, columns: Range<Int>, origin: (column: Int, row: Int)
  ) throws -> PixelBuffer {
    let length = columns.count * image.channels
    try image.requireAffordable(columns: columns.count, rows: axis.window.count)
    if axis.isUnchanged && columns.count == image.width && axis.window.count == image.height { return image }
    let sums = try TensorStorage(byteCount: length * MemoryLayout<Int32>.stride)
    return try PixelBuffer(width: columns.count, height: axis.window.count, channels: image.channels) { out in
      try image.withBytes { bytes in
        let bytes = bytes + columns.lowerBound * image.channels - origin.row * image.bytesPerRow
        if axis.isUnchanged {
          for (index, row) in axis.window.enumerated() {
            (out + index * length).update(from: bytes + row * image.bytesPerRow, count: length)
          }
          return
        }
        withExtendedLifetime(sums) {
          guard let sum = sums.bytes.bindMemory(to: Int32.self).baseAddress else { return }
          for part in axis.parts {
            let table = axis.coefficients(part)
            for y in 0..<part.count {
              accumulate(bytes, bytesPerRow: image.bytesPerRow, table, y, into: sum, count: length)
              let to = out + (part.lowerBound - axis.window.lowerBound + y) * length
              for x in 0..<length { to[x] = clip(sum[x]) }
            }
          }
        }
      }
    }
  }

  /// Adds up the weighted rows of destination row `y`.
  private static func accumulate(
    _ bytes: UnsafePointer<UInt8>, bytesPerRow: Int, _ table: borrowing ResamplingCoefficients, _ y: Int,
    into sum: UnsafeMutablePointer<Int32>, count: Int
  ) {
    sum.update(repeating: Int32(1) << (ResamplingCoefficients.precision - 1), count: count)
    for k in 0..<table.count[y] {
      let row = bytes + (table.first[y] + k) * bytesPerRow
      let weight = table.weights[y * table.stride + k]
      for x in 0..<count { sum[x] = sum[x] &+ Int32(row[x]) &* weight }
    }
  }

  @inline(__always)
  private static func clip(_ sum: Int32) -> UInt8 {
    UInt8(truncatingIfNeeded: min(max(sum >> ResamplingCoefficients.precision, 0), 255))
  }
}
