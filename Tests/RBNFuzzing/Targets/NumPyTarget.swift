import RBNFormats

extension FuzzTarget {
  /// NumPy's files, one array or an archive of them.
  static let numPy = FuzzTarget("npz", mutator: NumPyMutator()) { bytes in
    let isArchive = bytes.starts(with: Array("PK".utf8))
    let tensors = isArchive ? try NumPy.readArchive(bytes: bytes) : [("x", try NumPy.readArray(bytes: bytes))]
    for (_, tensor) in tensors {
      let again = try NumPy.readArray(bytes: try NumPy.bytes(of: tensor))
      precondition(again.shape == tensor.shape, "an array changes when it is written")
    }
  }
}

/// Changes archives by their arrays, and arrays by their headers and data, the header's length put right.
private struct NumPyMutator: FuzzMutator {
  private static let archive = ZipMutator(payload: { _, bytes, random, raw in array(bytes, &random, raw) })

  func mutate(_ bytes: [UInt8], random: inout SplitMix64, raw: RawMutation) -> [UInt8]? {
    Self.archive.mutate(bytes, random: &random, raw: raw) ?? Self.array(bytes, &random, raw)
  }

  private static func array(_ bytes: [UInt8], _ random: inout SplitMix64, _ raw: RawMutation) -> [UInt8]? {
    guard bytes.count >= 10, bytes[0] == 0x93 else { return nil }
    let length = Int(bytes[8]) | Int(bytes[9]) << 8
    guard bytes[6] == 1, length <= bytes.count - 10 else { return nil }
    var header = Array(bytes[10..<(10 + length)])
    var data = Array(bytes[(10 + length)...])
    if random.once(in: 4) { data = raw(data, data.count + 16) } else { header = raw(header, 512) }
    return bytes[..<8] + littleEndian(UInt16(header.count)) + header + data
  }
}
