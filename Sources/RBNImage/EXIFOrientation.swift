import RBNTensor

/// How the stored pixels must be turned to stand upright: tag 0x0112 of EXIF.
///
/// A case says where the stored image's top row belongs: with ``right``, the stored top row is the upright
/// image's right edge, so the image is turned clockwise by a quarter.
public enum EXIFOrientation: Int, Sendable, Hashable, CaseIterable {
  /// Upright as stored.
  case up = 1
  /// To be mirrored left to right.
  case upMirrored = 2
  /// To be turned by a half.
  case down = 3
  /// To be mirrored top to bottom.
  case downMirrored = 4
  /// To be transposed.
  case leftMirrored = 5
  /// To be turned clockwise by a quarter.
  case right = 6
  /// To be transposed about the other diagonal.
  case rightMirrored = 7
  /// To be turned counterclockwise by a quarter.
  case left = 8

  /// Whether standing upright swaps width and height.
  public var swapsSides: Bool { rawValue >= 5 }

  /// The orientation in a TIFF structure (what follows `Exif\0\0`); `nil` when there is none.
  ///
  /// Anything outside the bytes or against the rules counts as absent: metadata is no reason to refuse pixels.
  init?(tiff bytes: UnsafeRawBufferPointer) {
    var cursor = ByteCursor(bytes)
    switch cursor.uint16(at: 0) {
    case 0x4949: cursor.littleEndian = true
    case 0x4D4D: cursor.littleEndian = false
    default: return nil
    }
    guard cursor.uint16(at: 2) == 42, let directory = cursor.uint32(at: 4),
      let count = cursor.uint16(at: directory)
    else { return nil }
    var found: EXIFOrientation?
    for index in 0..<count {
      let entry = directory + 2 + 12 * index
      guard let tag = cursor.uint16(at: entry), let type = cursor.uint16(at: entry + 2),
        let length = cursor.uint32(at: entry + 4)
      else { break }
      guard tag == 0x0112, length == 1 else { continue }
      let value: Int? =
        switch type {
        case 1: cursor.byte(at: entry + 8).map(Int.init)
        case 3: cursor.uint16(at: entry + 8)
        case 4: cursor.uint32(at: entry + 8)
        default: nil
        }
      // Of a repeated tag the last counts, as in Pillow. A value outside 1…8 means: leave it as it is.
      if let value { found = EXIFOrientation(rawValue: value) ?? .up }
    }
    guard let found else { return nil }
    self = found
  }

  /// The orientation in an XMP packet: the digit after the first `tiff:Orientation="` or `tiff:Orientation>`.
  init?(xmp bytes: UnsafeRawBufferPointer) {
    let name = Array("tiff:Orientation".utf8)
    var rest = bytes[...]
    while let start = rest.firstIndex(of: name[0]) {
      rest = rest[start...]
      guard rest.starts(with: name) else {
        rest = rest.dropFirst()
        continue
      }
      rest = rest.dropFirst(name.count)
      let value =
        rest.starts(with: "=\"".utf8)
        ? rest.dropFirst(2) : rest.starts(with: ">".utf8) ? rest.dropFirst() : nil
      guard let digit = value?.first, (0x30...0x39).contains(digit) else { continue }
      self = EXIFOrientation(rawValue: Int(digit) - 0x30) ?? .up
      return
    }
    return nil
  }

  /// The pixels of `image`, turned upright.
  ///
  /// - Throws: `system.out-of-memory`.
  func upright(_ image: PixelBuffer) throws -> PixelBuffer {
    if self == .up { return image }
    let (width, height, channels) = (image.width, image.height, image.channels)
    let outWidth = swapsSides ? height : width
    let outHeight = swapsSides ? width : height
    // The source offset of the upright image's first pixel, and the steps that one column and one row make.
    let column = channels
    let row = image.bytesPerRow
    let lastColumn = (width - 1) * column
    let lastRow = (height - 1) * row
    let (origin, perColumn, perRow) =
      switch self {
      case .up: (0, column, row)
      case .upMirrored: (lastColumn, -column, row)
      case .down: (lastColumn + lastRow, -column, -row)
      case .downMirrored: (lastRow, column, -row)
      case .leftMirrored: (0, row, column)
      case .right: (lastRow, -row, column)
      case .rightMirrored: (lastColumn + lastRow, -row, -column)
      case .left: (lastColumn, row, -column)
      }
    return try PixelBuffer(width: outWidth, height: outHeight, channels: channels) { out in
      try image.withBytes { bytes in
        var to = out
        for y in 0..<outHeight {
          var from = bytes + (origin + y * perRow)
          for x in 0..<outWidth {
            for channel in 0..<channels { to[channel] = from[channel] }
            to += channels
            if x + 1 < outWidth { from += perColumn }
          }
        }
      }
    }
  }
}
