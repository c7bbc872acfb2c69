/// What an image may be before it is refused: how large, checked before memory is asked for, and whether it may end early.
public struct ImageLimits: Sendable, Hashable {
  /// The largest width × height.
  public var maximumPixelCount: Int
  /// The largest encoded file, in bytes.
  public var maximumFileByteCount: Int
  /// Whether a file that was cut off is decoded as far as it goes, as with Pillow's `LOAD_TRUNCATED_IMAGES`.
  ///
  /// The rows that are missing are black in a PNG and grey in a JPEG. A file that ends before its pixels begin is
  /// refused all the same.
  public var allowsTruncated = false

  /// Makes limits; the default number of pixels is the one at which Pillow raises `DecompressionBombError`.
  public init(maximumPixelCount: Int = 178_956_970, maximumFileByteCount: Int = 256 << 20) {
    self.maximumPixelCount = maximumPixelCount
    self.maximumFileByteCount = maximumFileByteCount
  }
}
