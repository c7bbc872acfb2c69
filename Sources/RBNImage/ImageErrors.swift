import RBNTensor

extension RBNError.Code {
  /// A file that can't be opened or read, or is no regular file.
  public static let imageUnreadable = Self("image.unreadable")
  /// A file larger than ``ImageLimits/maximumFileByteCount``.
  public static let imageFileTooLarge = Self("image.file-too-large")
  /// No bytes at all.
  public static let imageEmpty = Self("image.empty")
  /// Neither a JPEG nor a PNG.
  public static let imageUnsupportedFormat = Self("image.unsupported-format")
  /// More pixels than ``ImageLimits/maximumPixelCount``.
  public static let imageTooManyPixels = Self("image.too-many-pixels")
  /// Metadata in a PNG (texts, profiles, EXIF) that take more memory than any image needs for them.
  public static let imageMetadataTooLarge = Self("image.metadata-too-large")
  /// A size that the file is far too short to hold.
  public static let imageImplausibleSize = Self("image.implausible-size")
  /// A width or height below 1, or pixels whose number is not what width and height need.
  public static let imageInvalidDimensions = Self("image.invalid-dimensions")
  /// A resize whose result or intermediate has too many pixels.
  public static let imageResizeTooLarge = Self("image.resize-too-large")
  /// A JPEG that ends before its end-of-image marker.
  public static let jpegTruncated = Self("image.jpeg-truncated")
  /// A JPEG that breaks the rules of its format.
  public static let jpegCorrupt = Self("image.jpeg-corrupt")
  /// A JPEG of a kind that is not read: 12-bit, lossless, 2 components.
  public static let jpegUnsupported = Self("image.jpeg-unsupported")
  /// A PNG that ends before its pixels do.
  public static let pngTruncated = Self("image.png-truncated")
  /// A PNG whose checksum does not match a chunk's bytes.
  public static let pngChecksum = Self("image.png-checksum")
  /// A PNG whose header breaks the rules of its format.
  public static let pngInvalidHeader = Self("image.png-invalid-header")
  /// A PNG whose chunks or compressed pixels break the rules of their format.
  public static let pngCorrupt = Self("image.png-corrupt")
  /// A preprocessing with a value that makes no sense.
  public static let invalidPreprocessing = Self("preprocessing.invalid")
  /// Images of one batch that preprocess to different shapes, or a buffer of the wrong size.
  public static let preprocessingShapeMismatch = Self("preprocessing.shape-mismatch")
}
