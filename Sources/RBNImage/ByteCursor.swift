/// A bounded view of bytes that answers `nil` for everything outside of them.
struct ByteCursor {
  let bytes: UnsafeRawBufferPointer
  var littleEndian = false

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  func byte(at offset: Int) -> UInt8? {
    offset >= 0 && offset < bytes.count ? bytes[offset] : nil
  }

  /// Two bytes at `offset`, in the cursor's byte order.
  func uint16(at offset: Int) -> Int? {
    guard offset >= 0, bytes.count >= 2, offset <= bytes.count - 2 else { return nil }
    let value = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
    return Int(littleEndian ? UInt16(littleEndian: value) : UInt16(bigEndian: value))
  }

  /// Four bytes at `offset`, in the cursor's byte order.
  func uint32(at offset: Int) -> Int? {
    guard offset >= 0, bytes.count >= 4, offset <= bytes.count - 4 else { return nil }
    let value = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
    return Int(littleEndian ? UInt32(littleEndian: value) : UInt32(bigEndian: value))
  }
}
