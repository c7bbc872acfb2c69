import RBNTensor

/// Nearest-neighbour sampling as Pillow's `Image.resize(…, NEAREST)`: no antialiasing.
enum NearestResize {
  /// Resizes `image` to `width` × `height` and returns the part in `columns` × `rows` of the result.
  ///
  /// - Throws: `image.resize-too-large`, `system.out-of-memory`.
  static func resize(
    _ image: PixelBuffer, width: Int, height: Int, columns: Range<Int>, rows: Range<Int>
  ) throws -> PixelBuffer {
    try image.requireAffordable(columns: columns.count, rows: rows.count)
    let sourceColumns = sourceIndices(source: image.width, destination: width, window: columns)
    let sourceRows = sourceIndices(source: image.height, destination: height, window: rows)
    let channels = image.channels
    return try PixelBuffer(width: columns.count, height: rows.count, channels: channels) { out in
      try image.withBytes { bytes in
        var to = out
        for row in sourceRows {
          let from = bytes + row * image.bytesPerRow
          for column in sourceColumns {
            for channel in 0..<channels { to[channel] = from[column &* channels &+ channel] }
            to += channels
          }
        }
      }
    }
  }

  /// The source index of each destination index of the window.
  ///
  /// The position is accumulated step by step from 0, as Pillow does: multiplying instead would round
  /// differently and choose another pixel now and then.
  private static func sourceIndices(source: Int, destination: Int, window: Range<Int>) -> [Int] {
    let step = Double(source) / Double(destination)
    var position = step * 0.5
    var indices: [Int] = []
    indices.reserveCapacity(window.count)
    for index in 0..<window.upperBound {
      if index >= window.lowerBound { indices.append(min(Int(position), source - 1)) }
      position += step
    }
    return indices
  }
}
