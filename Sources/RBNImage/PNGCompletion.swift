/// A PNG that was cut off, made whole as far as its chunks go, so that the rows that arrived can be decoded.
///
/// The chunk that the file ends in gets the length that is there, and its checksum; an `IEND` follows. What the decoder
/// can't find then are rows, not chunks.
enum PNGCompletion {
  private static let end: [UInt8] = [0, 0, 0, 0, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82]
  private static let pixelType = Array("IDAT".utf8)

  /// The bytes of the file, completed; nil when the file ends with an `IEND`, or before any pixels.
  static func completed(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
    var position = 8
    var hasPixels = false
    while bytes.count - position >= 8 {
      let length = bytes[position..<(position + 4)].reduce(0) { $0 << 8 | Int($1) }
      let type = Array(bytes[(position + 4)..<(position + 8)])
      if type.elementsEqual("IEND".utf8) { return nil }
      hasPixels = hasPixels || type == pixelType
      guard length <= bytes.count - position - 12 else {
        guard type == pixelType else { break }
        let content = Array(bytes[(position + 4)..<min(position + 8 + length, bytes.count)])
        return Array(bytes[..<position]) + bigEndian(UInt32(content.count - 4)) + content
          + bigEndian(crc32(content)) + end
      }
      position += 12 + length
    }
    return hasPixels ? Array(bytes[..<min(position, bytes.count)]) + end : nil
  }

  private static func bigEndian(_ value: UInt32) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { [UInt8]($0) }
  }

  /// The checksum of chunks (PNG specification, annex D), bit by bit: it is needed once, for a damaged file.
  private static func crc32(_ bytes: [UInt8]) -> UInt32 {
    var state: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      state ^= UInt32(byte)
      for _ in 0..<8 { state = state & 1 == 1 ? state >> 1 ^ 0xEDB8_8320 : state >> 1 }
    }
    return ~state
  }
}
