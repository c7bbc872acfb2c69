import RBNTensor

/// ITU-R 601 luma of RGB pixels, in the fixed-point form of Pillow's `convert("L")`.
enum Luma {
  /// The grey image of an RGB image.
  ///
  /// L = (19595 R + 38470 G + 7471 B + 2^15) / 2^16, rounded down; the weights sum to 2^16, so grey stays itself.
  ///
  /// - Throws: `system.out-of-memory`.
  static func convert(_ image: PixelBuffer) throws -> PixelBuffer {
    try PixelBuffer(width: image.width, height: image.height, channels: 1) { out in
      try image.withBytes { bytes in
        for i in 0..<(image.width * image.height) {
          let r = UInt32(bytes[i &* 3]) &* 19595
          let g = UInt32(bytes[i &* 3 &+ 1]) &* 38470
          let b = UInt32(bytes[i &* 3 &+ 2]) &* 7471
          out[i] = UInt8(truncatingIfNeeded: (r &+ g &+ b &+ 0x8000) >> 16)
        }
      }
    }
  }
}
