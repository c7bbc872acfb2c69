import RBNTensor

/// A look over the text of a document before json-c reads it: for what json-c accepts by changing it, for what would take
/// much more memory as values than it takes as text, and for the containers that are read in pieces.
struct JSONTextScan {
  /// The number of colons outside strings: that of all members of all objects.
  private(set) var colonCount = 0
  /// The end of each object and array of more than ``pieceByteCount`` bytes, by its start.
  private(set) var largeContainers: [Int: Int] = [:]

  /// The text that json-c is given at a time, about: its tree takes up to 270 times as much.
  static let pieceByteCount = 1 << 14

  /// No float64 needs as many characters.
  private static let maximumNumberByteCount = 1024

  /// The memory that values take, in bytes, their share of growing arrays included.
  private static let cost = (container: 80, element: 40, member: 88, string: 32)

  /// - Parameters:
  ///   - depth: the deepest nesting.
  ///   - treeLimit: the memory that the values may take, in bytes.
  /// - Throws: `json.malformed` for bytes that are not UTF-8, single quotes, malformed numbers, escaped halves of surrogate
  ///   pairs, U+0000, and brackets without their other half; `json.number-range` for an integer beyond 64 bits; `json.limit`
  ///   for values that are nested too deeply or take too much memory, and for numbers of too many characters.
  init(_ bytes: [UInt8], document: String, depth: Int, treeLimit: Int) throws {
    guard (try? UTF8Span(validating: bytes.span)) != nil else {
      throw RBNError(.malformedJSON, .model, location: document, "is not JSON: it is not UTF-8")
    }
    var open: [Int] = []
    var treeByteCount = 0
    var position = 0
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        let end = Self.endOfString(bytes, from: position)
        try Self.checkEscapes(bytes[position..<end], document: document)
        // json-c holds a long string up to four times while it reads it.
        let copies = end - position > Self.pieceByteCount ? 4 : 1
        treeByteCount += Self.cost.string + (end - position) * copies
        position = end
      case UInt8(ascii: "'"):
        throw JSONValue.malformed(document, at: position, "a string in single quotes")
      case UInt8(ascii: ":"):
        colonCount += 1
        treeByteCount += Self.cost.member
        position += 1
      case UInt8(ascii: ","):
        treeByteCount += Self.cost.element
        position += 1
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        open.append(position)
        guard open.count < depth else {
          throw RBNError(
            .jsonLimit, .model, location: document,
            "has values nested deeper than \(depth) at byte \(position)")
        }
        treeByteCount += Self.cost.container
        position += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        guard let start = open.popLast() else {
          throw JSONValue.malformed(document, at: position, "a bracket closes what was not opened")
        }
        position += 1
        if position - start > Self.pieceByteCount { largeContainers[start] = position }
      case UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "0")...UInt8(ascii: "9"):
        let start = position
        while position < bytes.count, Self.isPartOfNumber(bytes[position]) { position += 1 }
        guard position - start <= Self.maximumNumberByteCount else {
          throw RBNError(
            .jsonLimit, .model, location: document,
            "has a number of \(position - start) characters at byte \(start), over the limit of "
              + "\(Self.maximumNumberByteCount)")
        }
        try Self.checkNumber(bytes[start..<position], document: document)
      default: position += 1
      }
      guard treeByteCount <= treeLimit else {
        throw RBNError(
          .jsonLimit, .model, location: document,
          "has values that would take more than \(treeLimit >> 20) MiB of memory, in \(bytes.count) bytes of text"
        )
      }
    }
    guard open.isEmpty else { throw JSONValue.malformed(document, at: bytes.count, "it breaks off") }
  }

  /// The grammar of RFC 8259, section 6; integers must fit in 64 bits. A lone minus is left to json-c: `-Infinity`.
  private static func checkNumber(_ token: ArraySlice<UInt8>, document: String) throws {
    var rest = token.drop { $0 == UInt8(ascii: "-") }
    guard token.count - rest.count <= 1, !rest.isEmpty || token.count > 1 else {
      if token.elementsEqual("-".utf8) { return }
      throw JSONValue.malformed(document, at: token.startIndex, "malformed number")
    }
    func digits() -> Int {
      let count = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }.count
      rest = rest.dropFirst(count)
      return count
    }
    let startsWithZero = rest.first == UInt8(ascii: "0")
    let integerDigits = digits()
    var isSound = integerDigits == 1 || (integerDigits > 1 && !startsWithZero)
    let isInteger = rest.isEmpty
    if rest.first == UInt8(ascii: ".") {
      rest = rest.dropFirst()
      isSound = isSound && digits() > 0
    }
    if let mark = rest.first, mark | 0x20 == UInt8(ascii: "e") {
      rest = rest.dropFirst()
      if let sign = rest.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
        rest = rest.dropFirst()
      }
      isSound = isSound && digits() > 0
    }
    guard isSound, rest.isEmpty else {
      throw JSONValue.malformed(document, at: token.startIndex, "malformed number")
    }
    if isInteger, token.count >= 19, Int64(String(decoding: token, as: UTF8.self)) == nil {
      throw RBNError(
        .jsonNumberRange, .model, location: document,
        "has an integer at byte \(token.startIndex) that 64 bits can't hold")
    }
  }

  /// Refuses what an escape can say and a string can't hold: U+0000, and one half of a surrogate pair.
  private static func checkEscapes(_ string: ArraySlice<UInt8>, document: String) throws {
    var position = string.startIndex + 1
    while position < string.endIndex {
      guard string[position] == UInt8(ascii: "\\") else {
        position += 1
        continue
      }
      guard let unit = codeUnit(string[position...]) else {
        position += 2
        continue
      }
      switch unit {
      case 0: throw JSONValue.malformed(document, at: position, "escaped null character")
      case 0xD800..<0xDC00:
        guard let low = codeUnit(string[(position + 6)...]), (0xDC00..<0xE000).contains(low) else {
          throw JSONValue.malformed(document, at: position, "half a surrogate pair")
        }
        position += 12
      case 0xDC00..<0xE000: throw JSONValue.malformed(document, at: position, "half a surrogate pair")
      default: position += 6
      }
    }
  }

  /// The code unit of an escape `\uXXXX` at the start of some bytes.
  private static func codeUnit(_ bytes: ArraySlice<UInt8>) -> Int? {
    guard bytes.count >= 6, bytes.starts(with: "\\u".utf8) else { return nil }
    let digits = bytes.dropFirst(2).prefix(4)
    // A number may have a sign where an escape may not.
    guard digits.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }) else { return nil }
    return Int(String(decoding: digits, as: UTF8.self), radix: 16)
  }

  /// The first key, as written, that an object has twice; nil when the two are written differently.
  static func repeatedKey(in bytes: [UInt8]) -> String? {
    var open: [Set<ArraySlice<UInt8>>] = []
    var last: ArraySlice<UInt8> = []
    var position = 0
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        let end = endOfString(bytes, from: position)
        last = bytes[position..<end]
        position = end
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["): open.append([])
      case UInt8(ascii: "}"), UInt8(ascii: "]"): _ = open.popLast()
      case UInt8(ascii: ":"):
        if let top = open.indices.last, !open[top].insert(last).inserted {
          return String(decoding: last, as: UTF8.self)
        }
      default: break
      }
      position += 1
    }
    return nil
  }

  /// The position behind the string that begins at `start`.
  static func endOfString(_ bytes: [UInt8], from start: Int) -> Int {
    var position = start + 1
    while position < bytes.count {
      if bytes[position] == UInt8(ascii: "\"") { return position + 1 }
      position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
    }
    return bytes.count
  }

  private static func isPartOfNumber(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "e"), UInt8(ascii: "E"):
      true
    default: false
    }
  }
}
