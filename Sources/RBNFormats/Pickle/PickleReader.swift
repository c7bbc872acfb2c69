import RBNTensor

/// A position in a source of bytes, read forward through a window, never past the end.
///
/// The window exists because the pickle of a legacy stream is followed by gigabytes that must not be read with it.
struct PickleReader {
  /// Small at first, for those who try whether there is a pickle at all.
  private static let windowByteCounts = (first: 1 << 12, later: 1 << 16)

  private let source: ByteSource
  private let end: Int
  private let name: String
  private var window: [UInt8] = []
  private var windowStart: Int
  private let origin: Int
  /// The next byte, counted from the start of the source.
  private(set) var position: Int

  /// - Parameters:
  ///   - origin: the place from which errors count bytes.
  ///   - name: what errors call the pickle.
  init(_ source: ByteSource, _ range: Range<Int>, origin: Int = 0, name: String) {
    self.source = source
    self.end = range.upperBound
    self.origin = origin
    self.name = name
    self.windowStart = range.lowerBound
    self.position = range.lowerBound
  }

  var remaining: Int { end - position }

  /// An error at a byte of the pickle.
  func error(_ code: RBNError.Code, at place: Int, _ message: String, advice: String? = nil) -> RBNError {
    RBNError(code, .model, location: "\(name), byte \(place - origin)", message, advice: advice)
  }

  private func truncated(_ wanted: UInt64) -> RBNError {
    error(
      .truncatedPickle, at: position,
      "the pickle breaks off: \(max(remaining, 0)) bytes are left where \(wanted) are needed",
      advice: "copy or download the file again")
  }

  mutating func byte() throws -> UInt8 {
    if position >= windowStart + window.count { try refill() }
    guard position < windowStart + window.count else { throw truncated(1) }
    defer { position += 1 }
    return window[position - windowStart]
  }

  private mutating func refill() throws {
    guard remaining > 0 else { throw truncated(1) }
    let count = window.isEmpty ? Self.windowByteCounts.first : Self.windowByteCounts.later
    window = try source.bytes(at: position, count: min(remaining, count))
    windowStart = position
  }

  /// A little-endian unsigned integer of 1 to 8 bytes.
  mutating func unsigned(byteCount: Int) throws -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<byteCount { value |= UInt64(try byte()) << UInt64(8 * index) }
    return value
  }

  mutating func bigEndianDouble() throws -> Double {
    Double(bitPattern: try unsigned(byteCount: 8).byteSwapped)
  }

  /// A run of bytes, whose length is compared with what is there before memory is taken for it.
  mutating func bytes(_ count: UInt64) throws -> [UInt8] {
    guard let length = Int(exactly: count), length <= remaining else { throw truncated(count) }
    let start = position - windowStart
    defer { position += length }
    if length <= window.count - start { return Array(window[start..<(start + length)]) }
    return try source.bytes(at: position, count: length)
  }

  /// Steps over a run of bytes, which are not read.
  mutating func skip(_ count: UInt64) throws {
    guard let length = Int(exactly: count), length <= remaining else { throw truncated(count) }
    position += length
  }

  /// The bytes before the next line feed, which is skipped; a name in a `GLOBAL`.
  mutating func line(limit: Int) throws -> [UInt8] {
    let start = position
    var line: [UInt8] = []
    while true {
      let next = try byte()
      if next == UInt8(ascii: "\n") { return line }
      guard line.count < limit else {
        throw error(.invalidGlobal, at: start, "a name is longer than \(limit) bytes")
      }
      line.append(next)
    }
  }
}
