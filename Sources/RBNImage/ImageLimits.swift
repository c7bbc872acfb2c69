/// How large an image may be before it is refused, checked before memory is asked for.
public struct ImageLimits: Sendable, Hashable {
  /// The largest width × height.
  public var maximumPixelCount: Int
  /// The largest encoded file, in bytes.
  public var maximumFileByteCount: Int

  /// Makes limits; the default number of pixels is the one at which Pillow raises `DecompressionBombError`.
  public init(maximumPixelCount: Int = 178_956_970, maximumFileByteCount: Int = 256 << 20) {
    self.maximumPixelCount = maximumPixelCount
    self.maximumFileByteCount = maximumFileByteCount
  }
}
