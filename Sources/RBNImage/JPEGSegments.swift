import RBNTensor

/// The markers of a JPEG file: what must be known before its pixels are decoded.
struct JPEGSegments {
  /// The low byte of the frame marker: 0xC0 baseline, 0xC2 progressive, …
  let process: UInt8
  let precision: Int
  let width: Int
  let height: Int
  let components: Int
  /// Whether the end-of-image marker is there.
  let isComplete: Bool
  /// The orientation that EXIF, or else XMP, asks for.
  let orientation: EXIFOrientation

  /// Walks over the markers, skipping segments by their lengths and entropy-coded data by its stuffing.
  ///
  /// - Complexity: O(bytes).
  /// - Throws: `image.jpeg-truncated` when the file ends before the frame header does, `image.jpeg-corrupt`.
  init(_ bytes: UnsafeRawBufferPointer) throws {
    let cursor = ByteCursor(bytes)
    var frame: (process: UInt8, offset: Int)?
    var exif: [UInt8] = []
    var xmp: EXIFOrientation?
    var complete = false
    var offset = 2
    while let (marker, after) = Self.nextMarker(cursor, from: offset) {
      offset = after
      if marker == 0xD9 {
        complete = true
        break
      }
      // Markers that stand alone: TEM, RST0…7 and a second SOI.
      if marker == 0x01 || (0xD0...0xD8).contains(marker) { continue }
      guard let length = cursor.uint16(at: offset) else { break }
      guard length >= 2 else {
        throw RBNError(
          .jpegCorrupt, .input, location: "byte \(offset)",
          "the JPEG has a segment of impossible length \(length)")
      }
      guard length <= bytes.count - offset else { break }
      let content = UnsafeRawBufferPointer(rebasing: bytes[(offset + 2)..<(offset + length)])
      switch marker {
      case 0xC0...0xCF where marker != 0xC4 && marker != 0xC8 && marker != 0xCC:
        if frame == nil { frame = (marker, offset + 2) }
      case 0xE1:
        if content.starts(with: Array("Exif\0\0".utf8)) {
          exif += content.dropFirst(6)
        } else if content.starts(with: Array("http://ns.adobe.com/xap/1.0/\0".utf8)) {
          xmp = EXIFOrientation(xmp: content)
        }
      default: break
      }
      offset += length
    }
    guard let frame else {
      throw complete
        ? RBNError(.jpegCorrupt, .input, "the JPEG has no frame header, so no image")
        : RBNError(
          .jpegTruncated, .input, "the JPEG ends before its frame header", advice: "the file is cut off")
    }
    guard let precision = cursor.byte(at: frame.offset), let height = cursor.uint16(at: frame.offset + 1),
      let width = cursor.uint16(at: frame.offset + 3), let components = cursor.byte(at: frame.offset + 5)
    else {
      throw RBNError(
        .jpegCorrupt, .input, location: "byte \(frame.offset)", "the JPEG's frame header is too short")
    }
    self.process = frame.process
    self.precision = Int(precision)
    self.width = width
    self.height = height
    self.components = Int(components)
    isComplete = complete
    orientation = exif.withUnsafeBytes { EXIFOrientation(tiff: $0) } ?? xmp ?? .up
  }

  /// The next marker at or after `offset`, and where its segment starts.
  private static func nextMarker(_ cursor: ByteCursor, from offset: Int) -> (marker: UInt8, after: Int)? {
    var offset = offset
    while offset < cursor.bytes.count {
      guard let start = cursor.bytes[offset...].firstIndex(of: 0xFF) else { return nil }
      offset = start + 1
      while let byte = cursor.byte(at: offset), byte == 0xFF { offset += 1 }
      guard let marker = cursor.byte(at: offset) else { return nil }
      offset += 1
      if marker != 0 { return (marker, offset) }
    }
    return nil
  }
}
