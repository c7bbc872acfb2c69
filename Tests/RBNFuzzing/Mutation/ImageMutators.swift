import RBNFormats

/// A PNG taken apart into chunks, changed, and written again with sound lengths and checksums.
struct PNGMutator: FuzzMutator {
  private struct Chunk {
    var type: [UInt8]
    var data: [UInt8]
  }

  private static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
  private static let types = [
    "IHDR", "PLTE", "IDAT", "IEND", "tRNS", "gAMA", "cHRM", "iCCP", "sRGB", "sBIT", "tEXt", "zTXt", "iTXt",
    "bKGD",
    "hIST", "pHYs", "sPLT", "tIME", "oFFs", "eXIf", "acTL", "fcTL", "fdAT",
  ]

  func mutate(_ bytes: [UInt8], random: inout SplitMix64, raw: RawMutation) -> [UInt8]? {
    guard bytes.starts(with: Self.signature) else { return nil }
    var chunks: [Chunk] = []
    var position = 8
    while bytes.count - position >= 12 {
      let length = bytes[position..<(position + 4)].reduce(0) { $0 << 8 | Int($1) }
      guard length <= bytes.count - position - 12 else { break }
      let type = Array(bytes[(position + 4)..<(position + 8)])
      chunks.append(Chunk(type: type, data: Array(bytes[(position + 8)..<(position + 8 + length)])))
      position += 12 + length
    }
    guard !chunks.isEmpty else { return nil }
    let index = Int.random(in: 0..<chunks.count, using: &random)
    switch Int.random(in: 0..<9, using: &random) {
    case 0: chunks.remove(at: index)
    case 1: chunks.insert(chunks[index], at: Int.random(in: 0...chunks.count, using: &random))
    case 2: chunks[index].type = Array((Self.types.randomElement(using: &random) ?? "IDAT").utf8)
    case 3:
      let type = Array((Self.types.randomElement(using: &random) ?? "tEXt").utf8)
      chunks.insert(Chunk(type: type, data: raw(chunks[index].data, 64)), at: index)
    case 4, 5: Self.rewritePixels(&chunks, random: &random, raw: raw)
    default: chunks[index].data = raw(chunks[index].data, chunks[index].data.count + 16)
    }
    return Self.signature
      + chunks.flatMap { chunk in
        let content = chunk.type + chunk.data
        let crc = content.withUnsafeBytes { CRC32.checksum($0) }
        return bigEndian(UInt32(chunk.data.count)) + content + bigEndian(crc)
      }
  }

  /// Puts rows that zlib can inflate in place of the pixels, so that filters and palette indices are reached.
  private static func rewritePixels(_ chunks: inout [Chunk], random: inout SplitMix64, raw: RawMutation) {
    guard let first = chunks.firstIndex(where: { $0.type == Array("IDAT".utf8) }) else { return }
    let count = Int.random(in: 1...2048, using: &random)
    var rows = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    // Mostly filter types that exist, wherever a row begins.
    if !random.once(in: 4) { for index in rows.indices { rows[index] %= 5 } }
    var (low, high): (UInt32, UInt32) = (1, 0)
    for byte in rows {
      low = (low + UInt32(byte)) % 65521
      high = (high + low) % 65521
    }
    chunks.removeAll { $0.type == Array("IDAT".utf8) }
    let stream = [0x78, 0x01] + ZipParts.deflateStored(rows) + bigEndian(high << 16 | low)
    chunks.insert(Chunk(type: Array("IDAT".utf8), data: stream), at: min(first, chunks.count))
  }
}

/// A JPEG taken apart into marker segments, changed, and written again with sound lengths.
struct JPEGMutator: FuzzMutator {
  func mutate(_ bytes: [UInt8], random: inout SplitMix64, raw: RawMutation) -> [UInt8]? {
    guard bytes.starts(with: [0xFF, 0xD8]) else { return nil }
    var segments: [(marker: UInt8, content: [UInt8])] = []
    var position = 2
    while bytes.count - position >= 4, bytes[position] == 0xFF, bytes[position + 1] >= 0xC0 {
      let length = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
      guard length >= 2, length <= bytes.count - position - 2 else { break }
      segments.append((bytes[position + 1], Array(bytes[(position + 4)..<(position + 2 + length)])))
      position += 2 + length
      if segments.last?.marker == 0xDA { break }
    }
    guard !segments.isEmpty else { return nil }
    var scan = Array(bytes[position...])
    let index = Int.random(in: 0..<segments.count, using: &random)
    switch Int.random(in: 0..<7, using: &random) {
    case 0: segments.remove(at: index)
    case 1: segments.insert(segments[index], at: Int.random(in: 0...segments.count, using: &random))
    case 2:
      let markers: [UInt8] = [0xC0, 0xC1, 0xC2, 0xC4, 0xC9, 0xCA, 0xDB, 0xDD, 0xDA, 0xE1, 0xE2, 0xEE, 0xFE]
      segments[index].marker = markers.randomElement(using: &random) ?? 0xC0
    case 3: segments.swapAt(index, Int.random(in: 0..<segments.count, using: &random))
    case 4: scan = raw(scan, scan.count + 16)
    default: segments[index].content = raw(segments[index].content, segments[index].content.count + 16)
    }
    return [0xFF, 0xD8]
      + segments.flatMap {
        [0xFF, $0.marker] + bigEndian(UInt16(truncatingIfNeeded: $0.content.count + 2)) + $0.content
      }
      + scan
  }
}
