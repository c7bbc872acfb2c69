import RBNTensor

/// A look over the text of a document that json-c has accepted, for what json-c's tree does not show.
struct JSONTextScan {
  /// The number of colons outside strings: that of all members of all objects.
  private(set) var colonCount = 0

  /// - Throws: `json.number-range` for an integer beyond 64 bits, `json.malformed` for an escaped U+0000.
  init(_ bytes: [UInt8], document: String) throws {
    var position = 0
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        let end = Self.endOfString(bytes, from: position)
        if let nul = Self.escapedNull(bytes, in: position..<end) {
          throw JSONValue.malformed(document, at: nul, "escaped null character")
        }
        position = end
      case UInt8(ascii: ":"):
        colonCount += 1
        position += 1
      case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
        let start = position
        while position < bytes.count, Self.isPartOfNumber(bytes[position]) { position += 1 }
        let token = bytes[start..<position]
        let isInteger = !token.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }
        if isInteger, token.count >= 19, Int64(String(decoding: token, as: UTF8.self)) == nil {
          throw RBNError(
            .jsonNumberRange, .model, location: document,
            "has an integer at byte \(start) that 64 bits can't hold")
        }
      default: position += 1
      }
    }
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
  private static func endOfString(_ bytes: [UInt8], from start: Int) -> Int {
    var position = start + 1
    while position < bytes.count {
      if bytes[position] == UInt8(ascii: "\"") { return position + 1 }
      position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
    }
    return bytes.count
  }

  /// The position of the first `\u0000` in a string.
  private static func escapedNull(_ bytes: [UInt8], in string: Range<Int>) -> Int? {
    var position = string.lowerBound + 1
    while position < string.upperBound {
      guard bytes[position] == UInt8(ascii: "\\") else {
        position += 1
        continue
      }
      if bytes[position...].prefix(6).elementsEqual("\\u0000".utf8) { return position }
      position += 2
    }
    return nil
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
