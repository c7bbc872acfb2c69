import RBNImage

extension FuzzTarget {
  static let jpeg = FuzzTarget("jpeg", mutator: JPEGMutator(), decode)
  static let png = FuzzTarget("png", mutator: PNGMutator(), decode)

  /// Decodes and turns an image, truncated or not, and makes the input of a network of it.
  @Sendable private static func decode(_ bytes: [UInt8]) throws {
    let image = try RGBImage(encoded: bytes, limits: ImageLimits(maximumPixelCount: 1 << 18))
    let upright = try image.upright()
    precondition(upright.withUnsafeBytes { $0.count } == image.width * image.height * 3, "pixels are missing")
    _ = try upright.resized(width: 5, height: 7, interpolation: .bilinear)
  }
}
