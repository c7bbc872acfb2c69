import CTurboJPEG
import RBNTensor

/// JPEG to RGB with libjpeg-turbo, as Pillow does: accurate integer DCT, smooth ("fancy") upsampling.
enum JPEGDecoder {
  /// Decodes an image; grey is repeated in the three channels, CMYK and YCCK are converted.
  ///
  /// Damage that libjpeg only warns about is tolerated, as in Pillow. A file that ends before its end-of-image
  /// marker is refused, as in Pillow, unless ``ImageLimits/allowsTruncated``.
  ///
  /// - Throws: `image.jpeg-truncated`, `image.jpeg-corrupt`, `image.jpeg-unsupported`, `image.too-many-pixels`,
  ///   `image.implausible-size`, `system.out-of-memory`.
  static func decode(
    _ bytes: UnsafeRawBufferPointer, limits: ImageLimits
  ) throws -> (pixels: PixelBuffer, orientation: EXIFOrientation) {
    let segments = try JPEGSegments(bytes)
    guard limits.allowsTruncated, !segments.isComplete else {
      return try decode(bytes, segments, limits: limits)
    }
    // libjpeg fills up what is missing before an end-of-image marker, so it gets one.
    return try (Array(bytes) + [0xFF, 0xD9]).withUnsafeBytes { try decode($0, segments, limits: limits) }
  }

  private static func decode(
    _ bytes: UnsafeRawBufferPointer, _ segments: JPEGSegments, limits: ImageLimits
  ) throws -> (pixels: PixelBuffer, orientation: EXIFOrientation) {
    try check(segments, byteCount: bytes.count, limits: limits)
    guard let handle = tjInitDecompress() else {
      throw RBNError(.outOfMemory, .system, "libjpeg-turbo got no memory for a decoder")
    }
    defer { tjDestroy(handle) }
    guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
      throw RBNError(.imageEmpty, .input, "the image is empty: 0 bytes")
    }

    var width: CInt = 0
    var height: CInt = 0
    var subsampling: CInt = 0
    var colorspace: CInt = -1
    let header = tjDecompressHeader3(
      handle, base, CUnsignedLong(bytes.count), &width, &height, &subsampling, &colorspace)
    // The header call also fails for a chroma subsampling without a name in its API, after it has filled in
    // everything else; decompressing does not need the name.
    if header != 0 && (width <= 0 || colorspace < 0) { throw corrupt(message(handle)) }
    guard width == segments.width, height == segments.height else {
      throw RBNError(
        .jpegCorrupt, .input,
        "the JPEG's headers contradict each other: \(segments.width)×\(segments.height) and \(width)×\(height)"
      )
    }
    let isCMYK = colorspace == CInt(TJCS_CMYK.rawValue) || colorspace == CInt(TJCS_YCCK.rawValue)
    let format = isCMYK ? CInt(TJPF_CMYK.rawValue) : CInt(TJPF_RGB.rawValue)
    let pixels = try PixelBuffer(
      width: segments.width, height: segments.height, channels: isCMYK ? 4 : 3
    ) { out in
      let status = tjDecompress2(
        handle, base, CUnsignedLong(bytes.count), out, width, 0, height, format,
        TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS)
      if status != 0 { try checkIsTolerable(message(handle)) }
    }
    return (isCMYK ? try convertInvertedCMYK(pixels) : pixels, segments.orientation)
  }

  /// The rules that need no decoder.
  private static func check(_ segments: JPEGSegments, byteCount: Int, limits: ImageLimits) throws {
    func unsupported(_ what: String) -> RBNError {
      RBNError(
        .jpegUnsupported, .input, "a JPEG \(what)", advice: "save it as a baseline 8-bit JPEG or a PNG")
    }
    guard segments.precision == 8 else {
      throw unsupported("with \(segments.precision) bits per sample; 8 can be read")
    }
    guard [1, 3, 4].contains(segments.components) else {
      throw unsupported("with \(segments.components) colour components; 1, 3 and 4 can be read")
    }
    switch segments.process {
    case 0xC0, 0xC1, 0xC2, 0xC9, 0xCA: break
    case 0xC3, 0xCB: throw unsupported("that is coded losslessly")
    default: throw unsupported("that is coded hierarchically")
    }
    guard segments.width > 0, segments.height > 0 else {
      throw RBNError(
        .jpegCorrupt, .input, "the JPEG claims to have \(segments.width)×\(segments.height) pixels")
    }
    let pixels = segments.width * segments.height
    guard pixels <= limits.maximumPixelCount else {
      throw RBNError.tooManyPixels(width: segments.width, height: segments.height, limits: limits)
    }
    guard segments.isComplete || limits.allowsTruncated else { throw truncated() }
    // A Huffman code takes a bit at least, and one minimum coded unit covers 32×32 pixels at most.
    let isArithmetic = segments.process >= 0xC9
    guard isArithmetic || pixels / (8 * 1024) <= byteCount else {
      throw RBNError.implausible(width: segments.width, height: segments.height, byteCount: byteCount)
    }
  }

  /// How the messages begin that libjpeg gives as warnings, after which it goes on decoding.
  ///
  /// `tjGetErrorCode` does not tell: after one warning it calls every later fatal error a warning too. The
  /// message does: it is the fatal error's when there was one, and the first warning's otherwise.
  private static let tolerableMessages = [
    "Corrupt JPEG data: ", "Inconsistent progression sequence for component ",
    "Unknown Adobe color transform code ",
    "Warning: unknown JFIF revision number ", "Invalid SOS parameters for sequential JPEG",
  ]

  private static func checkIsTolerable(_ message: String) throws {
    // libjpeg invents the rest of the image when the bytes run out; Pillow refuses that, and so do we.
    if message.hasPrefix("Premature end of JPEG file") { throw truncated() }
    guard tolerableMessages.contains(where: message.hasPrefix) else { throw corrupt(message) }
  }

  /// CMYK in Adobe's convention (255 = no ink), which Pillow assumes for every JPEG, to RGB.
  ///
  /// With K the stored black and C a stored ink, both inverted: channel = clip(K − ((255 − C)·K)/255), the
  /// quotient rounded to nearest.
  private static func convertInvertedCMYK(_ image: PixelBuffer) throws -> PixelBuffer {
    try PixelBuffer(width: image.width, height: image.height, channels: 3) { out in
      try image.withBytes { bytes in
        for i in 0..<(image.width * image.height) {
          let white = Int32(bytes[i &* 4 &+ 3])
          for channel in 0..<3 {
            let product = (255 &- Int32(bytes[i &* 4 &+ channel])) &* white &+ 128
            let ink = ((product >> 8) &+ product) >> 8
            out[i &* 3 &+ channel] = UInt8(truncatingIfNeeded: max(white &- ink, 0))
          }
        }
      }
    }
  }

  private static func truncated() -> RBNError {
    RBNError(
      .jpegTruncated, .input, "the JPEG ends before its image does",
      advice: "the file is cut off: get it again, or allow truncated images")
  }

  private static func corrupt(_ message: String) -> RBNError {
    RBNError(.jpegCorrupt, .input, "the JPEG can't be decoded: \(message)")
  }

  private static func message(_ handle: tjhandle) -> String {
    guard let text = tjGetErrorStr2(handle) else { return "unknown reason" }
    return String(cString: text)
  }
}

extension RBNError {
  static func tooManyPixels(width: Int, height: Int, limits: ImageLimits) -> RBNError {
    RBNError(
      .imageTooManyPixels, .input,
      "the image has \(width)×\(height) pixels; the limit is \(limits.maximumPixelCount) in all",
      advice: "shrink it, or raise maximumPixelCount if the image can be trusted")
  }

  static func implausible(width: Int, height: Int, byteCount: Int) -> RBNError {
    RBNError(
      .imageImplausibleSize, .input,
      "the image claims to have \(width)×\(height) pixels, which \(byteCount) bytes can't hold")
  }
}
