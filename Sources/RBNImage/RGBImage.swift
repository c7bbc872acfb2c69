import RBNTensor

/// An image of interleaved 8-bit red, green and blue, rows from top to bottom.
///
/// Decoding gives the pixels of Pillow's `Image.open(…).convert("RGB")`. The pixels lie as stored; turn them with
/// ``upright()``. Images share their pixels when copied.
public struct RGBImage: Sendable {
  /// The number of columns.
  public var width: Int { buffer.width }
  /// The number of rows.
  public var height: Int { buffer.height }
  /// How the stored pixels must be turned to stand upright, from the file's metadata.
  public let orientation: EXIFOrientation

  let buffer: PixelBuffer

  init(_ buffer: PixelBuffer, orientation: EXIFOrientation) {
    self.buffer = buffer
    self.orientation = orientation
  }

  /// Makes an image of pixels that exist already: `width * height * 3` bytes, R G B R G B ….
  ///
  /// - Throws: `image.invalid-dimensions`, also when the number of bytes is another; `system.out-of-memory`.
  public init(width: Int, height: Int, pixels: [UInt8], orientation: EXIFOrientation = .up) throws {
    let (area, overflow) = width.multipliedReportingOverflow(by: height)
    let (byteCount, overflow2) = area.multipliedReportingOverflow(by: 3)
    guard width > 0, height > 0, !overflow, !overflow2, byteCount == pixels.count else {
      throw RBNError(
        .imageInvalidDimensions, .input, "\(pixels.count) bytes are no RGB image of \(width)×\(height) pixels"
      )
    }
    let buffer = try PixelBuffer(width: width, height: height, channels: 3) { out in
      pixels.withUnsafeBufferPointer { bytes in
        guard let base = bytes.baseAddress else { return }
        out.update(from: base, count: bytes.count)
      }
    }
    self.init(buffer, orientation: orientation)
  }

  /// Reads and decodes a JPEG or PNG file.
  ///
  /// - Throws: An error of subject ``RBNTensor/RBNError/Subject/input`` that names the file.
  public init(contentsOf path: String, limits: ImageLimits = ImageLimits()) throws {
    let bytes = try ImageFile.read(path, limit: limits.maximumFileByteCount)
    do {
      try self.init(encoded: bytes, limits: limits)
    } catch let error as RBNError {
      throw error.inFile(path)
    }
  }

  /// Decodes a JPEG or PNG; which one it is, its first bytes tell.
  ///
  /// - Throws: An error of subject ``RBNTensor/RBNError/Subject/input``.
  public init(encoded bytes: [UInt8], limits: ImageLimits = ImageLimits()) throws {
    self = try bytes.withUnsafeBytes { try RGBImage(encoded: $0, limits: limits) }
  }

  /// Decodes a JPEG or PNG that lies anywhere in memory, for the length of the call.
  ///
  /// - Throws: An error of subject ``RBNTensor/RBNError/Subject/input``.
  public init(encoded bytes: UnsafeRawBufferPointer, limits: ImageLimits = ImageLimits()) throws {
    guard bytes.count <= limits.maximumFileByteCount else {
      throw RBNError(
        .imageFileTooLarge, .input,
        "the image has \(bytes.count) bytes; the limit is \(limits.maximumFileByteCount)",
        advice: "raise maximumFileByteCount if the image can be trusted")
    }
    let decoded =
      switch try ImageFormat(bytes) {
      case .jpeg: try JPEGDecoder.decode(bytes, limits: limits)
      case .png: try PNGDecoder.decode(bytes, limits: limits)
      }
    self.init(decoded.pixels, orientation: decoded.orientation)
  }

  /// A copy of the pixels, `width * height * 3` bytes.
  public var pixels: [UInt8] { withUnsafeBytes { [UInt8]($0) } }

  /// Calls `body` with the pixels, `width * height * 3` bytes.
  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(buffer.storage) { try body(UnsafeRawBufferPointer(buffer.storage.bytes)) }
  }

  /// The image turned as its ``orientation`` asks, like Pillow's `ImageOps.exif_transpose`.
  ///
  /// - Throws: `system.out-of-memory`.
  public func upright() throws -> RGBImage {
    RGBImage(try orientation.upright(buffer), orientation: .up)
  }

  /// The image resized, bit-exact with Pillow's `Image.resize`.
  ///
  /// - Throws: `image.invalid-dimensions`, `image.resize-too-large`, `system.out-of-memory`.
  public func resized(width: Int, height: Int, interpolation: Interpolation) throws -> RGBImage {
    guard width > 0, height > 0 else {
      throw RBNError(
        .imageInvalidDimensions, .usage, "an image can't be resized to \(width)×\(height) pixels")
    }
    try buffer.requireAffordable(columns: width, rows: height)
    let resized = try buffer.resized(
      width: width, height: height, columns: 0..<width, rows: 0..<height, interpolation: interpolation)
    return RGBImage(resized, orientation: orientation)
  }
}

extension PixelBuffer {
  /// The part in `columns` × `rows` of this image resized to `width` × `height`.
  ///
  /// - Throws: `image.resize-too-large`, `system.out-of-memory`.
  func resized(
    width: Int, height: Int, columns: Range<Int>, rows: Range<Int>, interpolation: Interpolation
  ) throws -> PixelBuffer {
    if width == self.width, height == self.height, columns == 0..<width, rows == 0..<height { return self }
    switch interpolation {
    case .nearest:
      return try NearestResize.resize(self, width: width, height: height, columns: columns, rows: rows)
    case .bilinear, .bicubic:
      return try AntialiasedResize.resize(
        self, width: width, height: height, columns: columns, rows: rows, interpolation: interpolation)
    }
  }
}
