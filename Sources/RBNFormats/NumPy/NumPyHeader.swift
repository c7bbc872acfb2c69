import RBNTensor

/// The header of a `.npy` file: a Python dictionary literal with the keys `descr`, `fortran_order` and `shape`.
///
/// Source: numpy/lib/_format_impl.py, "Format Version 1.0" to "3.0".
struct NumPyHeader {
  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  private static let maximumByteCount = 1 << 16

  private(set) var dtype = DType.float32
  private(set) var isBigEndian = false
  private(set) var isFortranOrder = false
  private(set) var shape: [Int] = []
  private(set) var dataOffset = 0

  init(_ bytes: UnsafeRawBufferPointer) throws {
    guard bytes.count >= 10, bytes.prefix(6).elementsEqual(Self.magic) else {
      throw Self.malformed("it does not begin as a .npy file does")
    }
    let isShort = bytes[6] == 1
    guard (1...3).contains(bytes[6]), bytes[7] == 0 else {
      throw Self.malformed("its version \(bytes[6]).\(bytes[7]) is not known")
    }
    let start = isShort ? 10 : 12
    guard bytes.count >= start else { throw Self.malformed("its header breaks off") }
    var length = Int(bytes[8]) | Int(bytes[9]) << 8
    if !isShort { length |= Int(bytes[10]) << 16 | Int(bytes[11]) << 24 }
    guard length <= Self.maximumByteCount else { throw Self.malformed("its header has \(length) bytes") }
    guard length <= bytes.count - start else { throw Self.malformed("its header breaks off") }
    dataOffset = start + length
    var text = PythonLiteralCursor(Array(bytes[start..<dataOffset]))
    try readDictionary(&text)
  }

  private mutating func readDictionary(_ text: inout PythonLiteralCursor) throws {
    var seen: Set<String> = []
    guard text.take("{") else { throw Self.malformed("its header is no dictionary") }
    while !text.take("}") {
      guard let key = text.string(), text.take(":"), seen.insert(key).inserted else {
        throw Self.malformed("its header has a damaged or repeated key")
      }
      switch key {
      case "descr": try readType(&text)
      case "fortran_order":
        guard let flag = text.boolean() else { throw Self.malformed("fortran_order is no boolean") }
        isFortranOrder = flag
      case "shape":
        guard let sizes = text.integers(), sizes.count <= StridedTensor.maximumRank else {
          throw Self.malformed("shape is no tuple of sizes")
        }
        shape = sizes
      default: throw Self.malformed("its header has the unknown key \(key.debugDescription)")
      }
      guard text.take(",") || text.peek("}") else {
        throw Self.malformed("its header is damaged behind \(key)")
      }
    }
    guard seen.count == 3, text.isAtEnd else {
      throw Self.malformed("its header lacks a key or goes on behind its end")
    }
  }

  private mutating func readType(_ text: inout PythonLiteralCursor) throws {
    guard !text.peek("[") else {
      throw RBNError(.unsupportedNumPyDType, .input, "has a structured dtype, which no tensor has")
    }
    guard let descriptor = text.string() else { throw Self.malformed("descr is no string") }
    let order = descriptor.first.flatMap { "<>|=".contains($0) ? $0 : nil }
    let kind = order == nil ? descriptor[...] : descriptor.dropFirst()
    guard let known = Self.dtypes.first(where: { $0.0 == kind })?.1,
      order != nil && (order != "|" || known.byteSize == 1)
    else {
      let name = kind.first.flatMap { Self.kinds[$0] } ?? "unknown"
      throw RBNError(
        .unsupportedNumPyDType, .input,
        "has the dtype \(descriptor.debugDescription) (\(name)), which no tensor has",
        advice: kind.first == "O" ? "arrays of objects are pickles: save numbers instead" : nil)
    }
    dtype = known
    isBigEndian = order == ">"
  }

  private static let dtypes: [(String, DType)] = [
    ("f4", .float32), ("f8", .float64), ("f2", .float16), ("i1", .int8), ("u1", .uint8), ("i2", .int16),
    ("u2", .uint16), ("i4", .int32), ("u4", .uint32), ("i8", .int64), ("u8", .uint64), ("b1", .bool),
  ]

  private static let kinds: [Character: String] = [
    "O": "object", "c": "complex", "S": "bytes", "a": "bytes", "U": "text", "V": "void", "M": "date",
    "m": "duration",
    "f": "floating point", "i": "integer", "u": "unsigned integer",
  ]

  private static func malformed(_ reason: String) -> RBNError {
    RBNError(.malformedNumPy, .input, "is not a sound .npy file: \(reason)")
  }

  /// The header of an array, padded so that the data begin at a multiple of 64, as NumPy writes it.
  static func bytes(dtype: DType, shape: Shape) -> [UInt8] {
    let kind = dtypes.first { $0.1 == dtype }?.0 ?? "f4"
    let order = dtype.byteSize == 1 ? "|" : "<"
    let text = "{'descr': '\(order)\(kind)', 'fortran_order': False, 'shape': \(shape), }"
    // At most 64 dimensions of 20 digits: the length always fits in the 16 bits of version 1.
    let length = (10 + text.utf8.count + 1 + 63) / 64 * 64 - 10
    let padding = repeatElement(UInt8(ascii: " "), count: length - text.utf8.count - 1)
    return magic + [1, 0, UInt8(truncatingIfNeeded: length), UInt8(truncatingIfNeeded: length >> 8)]
      + Array(text.utf8) + padding + [UInt8(ascii: "\n")]
  }
}

/// A position in a Python literal, of which it reads strings, booleans and tuples of integers.
struct PythonLiteralCursor {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  private mutating func skipSpace() {
    while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
  }

  /// Whether nothing but space is left.
  var isAtEnd: Bool {
    mutating get {
      skipSpace()
      return position == bytes.count
    }
  }

  /// Whether the next token is `token`.
  mutating func peek(_ token: String) -> Bool {
    skipSpace()
    return bytes[position...].starts(with: token.utf8)
  }

  /// Steps over `token` if it is next.
  mutating func take(_ token: String) -> Bool {
    guard peek(token) else { return false }
    position += token.utf8.count
    return true
  }

  /// A string without escapes.
  mutating func string() -> String? {
    skipSpace()
    guard position < bytes.count,
      bytes[position] == UInt8(ascii: "'") || bytes[position] == UInt8(ascii: "\"")
    else {
      return nil
    }
    let content = bytes[(position + 1)...].prefix { $0 != bytes[position] }
    guard content.endIndex < bytes.count, !content.contains(UInt8(ascii: "\\")) else { return nil }
    position = content.endIndex + 1
    return String(validating: content, as: UTF8.self)
  }

  /// `True` or `False`.
  mutating func boolean() -> Bool? {
    if take("True") { return true }
    return take("False") ? false : nil
  }

  /// A tuple of integers that are not negative; Python 2 wrote them with an `L`.
  mutating func integers() -> [Int]? {
    guard take("(") else { return nil }
    var values: [Int] = []
    while !take(")") {
      skipSpace()
      let digits = bytes[position...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      guard let value = Int(String(decoding: digits, as: UTF8.self)), values.count < 1 << 10 else {
        return nil
      }
      position = digits.endIndex
      _ = take("L")
      values.append(value)
      guard take(",") || peek(")") else { return nil }
    }
    return values
  }
}
