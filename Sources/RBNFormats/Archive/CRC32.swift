import CLibDeflate

/// The CRC-32 of zip archives (polynomial 0xEDB88320, reflected), by libdeflate: checking a file costs less than reading it.
package struct CRC32: Sendable {
  /// The checksum of all bytes seen so far.
  package private(set) var value: UInt32 = 0

  package init() {}

  /// Takes in more bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    // libdeflate takes nil for a wish to start again.
    guard let start = bytes.baseAddress else { return }
    value = libdeflate_crc32(value, start, bytes.count)
  }

  /// The checksum of some bytes.
  package static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var crc = CRC32()
    crc.update(bytes)
    return crc.value
  }
}
