/// The CRC-32 of zip archives (polynomial 0xEDB88320, reflected).
///
/// Slicing by 16: sixteen tables turn sixteen bytes into independent lookups, which runs several times faster
/// than the byte-wise form, so that checking a file costs no more than reading it.
package struct CRC32: Sendable {
  private var state: UInt32 = 0xFFFF_FFFF

  package init() {}

  /// The checksum of all bytes seen so far.
  package var value: UInt32 { ~state }

  /// Takes in more bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    state = Self.tables.withUnsafeBufferPointer { Self.advance(state, over: bytes, tables: $0) }
  }

  /// The checksum of some bytes.
  package static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var crc = CRC32()
    crc.update(bytes)
    return crc.value
  }

  private static func advance(
    _ start: UInt32, over bytes: UnsafeRawBufferPointer, tables: UnsafeBufferPointer<UInt32>
  ) -> UInt32 {
    guard let table = tables.baseAddress else { return start }
    var crc = start
    var position = 0
    while bytes.count &- position >= 16 {
      let a =
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)) ^ UInt64(crc)
      let b = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position &+ 8, as: UInt64.self))
      crc = fold(a, table + 8 * 256) ^ fold(b, table)
      position &+= 16
    }
    while position < bytes.count {
      crc = crc >> 8 ^ table[Int((crc ^ UInt32(bytes[position])) & 0xFF)]
      position &+= 1
    }
    return crc
  }

  /// The effect of eight bytes: the first, lowest one through table 7, the last one through table 0.
  @inline(__always)
  private static func fold(_ word: UInt64, _ table: UnsafePointer<UInt32>) -> UInt32 {
    let low =
      table[0x700 &+ Int(word & 0xFF)] ^ table[0x600 &+ Int(word >> 8 & 0xFF)]
      ^ table[0x500 &+ Int(word >> 16 & 0xFF)] ^ table[0x400 &+ Int(word >> 24 & 0xFF)]
    let high =
      table[0x300 &+ Int(word >> 32 & 0xFF)] ^ table[0x200 &+ Int(word >> 40 & 0xFF)]
      ^ table[0x100 &+ Int(word >> 48 & 0xFF)] ^ table[Int(word >> 56)]
    return low ^ high
  }

  /// Table k, entry b: the effect of byte b followed by k zero bytes.
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 16 * 256)
    for byte in 0..<256 {
      var crc = UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
      tables[byte] = crc
    }
    for index in 256..<tables.count {
      let previous = tables[index - 256]
      tables[index] = previous >> 8 ^ tables[Int(previous & 0xFF)]
    }
    return tables
  }()
}
