import CSPNG
import RBNTensor

/// PNG to RGB with libspng, as Pillow's `convert("RGB")` does.
///
/// Alpha is dropped, not blended; palettes are expanded; 1-, 2- and 4-bit grey is scaled to 0…255; of 16-bit colour,
/// and of 16-bit grey with alpha, the high byte is taken; 16-bit grey without alpha is *clipped* to 255, because
/// that is what Pillow makes of its mode `I;16`. Gamma and colour profiles play no part.
enum PNGDecoder {
  /// The most bytes that one byte of DEFLATE can stand for.
  private static let maximumExpansion = 1032
  /// The most memory for one ancillary chunk, and for all of them together, after inflation.
  private static let chunkLimit = 16 << 20

  /// Decodes an image.
  ///
  /// - Throws: `image.png-invalid-header`, `image.png-truncated`, `image.png-checksum`, `image.png-corrupt`,
  ///   `image.too-many-pixels`, `image.implausible-size`, `system.out-of-memory`.
  static func decode(
    _ bytes: UnsafeRawBufferPointer, limits: ImageLimits
  ) throws -> (pixels: PixelBuffer, orientation: EXIFOrientation) {
    guard limits.allowsTruncated, let completed = PNGCompletion.completed(bytes) else {
      return try decodeWhole(bytes, limits: limits)
    }
    return try completed.withUnsafeBytes { try decodeWhole($0, limits: limits) }
  }

  /// Decodes a file whose chunks are complete; rows may be missing where the limits allow it.
  private static func decodeWhole(
    _ bytes: UnsafeRawBufferPointer, limits: ImageLimits
  ) throws -> (pixels: PixelBuffer, orientation: EXIFOrientation) {
    guard let context = spng_ctx_new(0) else {
      throw RBNError(.outOfMemory, .system, "libspng got no memory for a decoder")
    }
    defer { spng_ctx_free(context) }
    let side = UInt32(Int32.max)
    try require(spng_set_image_limits(context, side, side))
    try require(spng_set_chunk_limits(context, chunkLimit, chunkLimit))
    try require(spng_set_png_buffer(context, bytes.baseAddress, bytes.count))
    // Like Pillow, which checks metadata as strictly as pixels.
    try require(
      spng_set_crc_action(context, CInt(SPNG_CRC_ERROR.rawValue), CInt(SPNG_CRC_ERROR.rawValue)))
    var header = spng_ihdr()
    try require(spng_get_ihdr(context, &header))
    try check(header, byteCount: bytes.count, limits: limits)

    let isGrey16 =
      header.color_type == UInt8(SPNG_COLOR_TYPE_GRAYSCALE.rawValue) && header.bit_depth == 16
    let pixels = try PixelBuffer(
      width: Int(header.width), height: Int(header.height), channels: isGrey16 ? 2 : 3
    ) { out in
      let format = isGrey16 ? CInt(SPNG_FMT_RAW.rawValue) : CInt(SPNG_FMT_RGB8.rawValue)
      var size = 0
      try require(spng_decoded_image_size(context, format, &size))
      guard size == Int(header.width) * Int(header.height) * (isGrey16 ? 2 : 3) else {
        throw RBNError(.pngCorrupt, .input, "the PNG's pixels take \(size) bytes, against its header")
      }
      if limits.allowsTruncated { out.update(repeating: 0, count: size) }
      let status = spng_decode_image(context, out, size, format, 0)
      if !(limits.allowsTruncated && status == SPNG_EIDAT_TOO_SHORT.rawValue) { try require(status) }
    }
    let orientation = try orientation(context)
    return (isGrey16 ? try clipGrey16(pixels) : pixels, orientation)
  }

  private static func check(_ header: spng_ihdr, byteCount: Int, limits: ImageLimits) throws {
    let (width, height) = (Int(header.width), Int(header.height))
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    guard !overflow, pixels <= limits.maximumPixelCount else {
      throw RBNError.tooManyPixels(width: width, height: height, limits: limits)
    }
    let samples =
      switch header.color_type {
      case UInt8(SPNG_COLOR_TYPE_TRUECOLOR.rawValue): 3
      case UInt8(SPNG_COLOR_TYPE_GRAYSCALE_ALPHA.rawValue): 2
      case UInt8(SPNG_COLOR_TYPE_TRUECOLOR_ALPHA.rawValue): 4
      default: 1
      }
    let (bits, overflow2) = pixels.multipliedReportingOverflow(by: samples * Int(header.bit_depth))
    guard !overflow2, bits / 8 / maximumExpansion <= byteCount else {
      throw RBNError.implausible(width: width, height: height, byteCount: byteCount)
    }
  }

  /// 16-bit big-endian grey to RGB: min(value, 255) in each channel.
  private static func clipGrey16(_ image: PixelBuffer) throws -> PixelBuffer {
    try PixelBuffer(width: image.width, height: image.height, channels: 3) { out in
      try image.withBytes { bytes in
        for i in 0..<(image.width * image.height) {
          let grey = bytes[i &* 2] == 0 ? bytes[i &* 2 &+ 1] : 255
          out[i &* 3] = grey
          out[i &* 3 &+ 1] = grey
          out[i &* 3 &+ 2] = grey
        }
      }
    }
  }

  /// The orientation in an eXIf chunk before or after the pixels.
  ///
  /// - Throws: `image.png-checksum`, also for the last of the pixels' chunks, whose checksum comes after them.
  private static func orientation(_ context: OpaquePointer) throws -> EXIFOrientation {
    let status = spng_decode_chunks(context)
    // What else is wrong behind the pixels, such as a missing end, does no harm to them.
    if status == SPNG_ECHUNK_CRC.rawValue { try require(status) }
    var exif = spng_exif()
    guard spng_get_exif(context, &exif) == 0, let data = exif.data else { return .up }
    return EXIFOrientation(tiff: UnsafeRawBufferPointer(start: data, count: exif.length)) ?? .up
  }

  private static func require(_ status: CInt) throws {
    guard status != 0 else { return }
    let reason = spng_strerror(status).map { String(cString: $0) } ?? "error \(status)"
    switch status {
    case SPNG_EMEM.rawValue:
      throw RBNError(.outOfMemory, .system, "libspng got no memory")
    case SPNG_IO_EOF.rawValue, SPNG_IO_ERROR.rawValue, SPNG_EOF.rawValue, SPNG_EIDAT_TOO_SHORT.rawValue,
      SPNG_EIO.rawValue:
      throw RBNError(
        .pngTruncated, .input, "the PNG ends before its image does (\(reason))",
        advice: "the file is cut off: get it again, or allow truncated images")
    case SPNG_ECHUNK_CRC.rawValue:
      throw RBNError(
        .pngChecksum, .input, "a chunk of the PNG does not match its checksum (\(reason))",
        advice: "the file is damaged; get it again")
    case SPNG_ECHUNK_LIMITS.rawValue:
      throw RBNError(
        .imageMetadataTooLarge, .input,
        "the PNG's texts, profiles and other metadata take more than \(chunkLimit >> 20) MiB",
        advice: "save the image without metadata")
    case SPNG_ESIGNATURE.rawValue, SPNG_EWIDTH.rawValue, SPNG_EHEIGHT.rawValue, SPNG_EBIT_DEPTH.rawValue,
      SPNG_ECOLOR_TYPE.rawValue, SPNG_ECOMPRESSION_METHOD.rawValue, SPNG_EFILTER_METHOD.rawValue,
      SPNG_EINTERLACE_METHOD.rawValue, SPNG_EIHDR_SIZE.rawValue, SPNG_ENOIHDR.rawValue:
      throw RBNError(.pngInvalidHeader, .input, "the PNG's header is not valid: \(reason)")
    default:
      throw RBNError(.pngCorrupt, .input, "the PNG can't be decoded: \(reason)")
    }
  }
}
