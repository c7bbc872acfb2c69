extension JSONValue {
  /// How a document is laid out.
  package enum Layout: Sendable {
    /// On one line, without spaces.
    case compact
    /// Indented by two spaces, arrays of plain values on one line, with a line break at the end.
    case pretty
  }

  /// The document as text: equal values give equal text.
  ///
  /// Doubles are written with the fewest digits that parse to the same bits; those that are not finite become
  /// the strings `Infinity`, `-Infinity` and `NaN`, which ``JSONNode/double()`` reads.
  ///
  /// - Parameter sortingKeys: whether members are put in the order of their keys' bytes, or stay in theirs.
  package func text(_ layout: Layout = .compact, sortingKeys: Bool = false) -> String {
    var writer = JSONWriter(layout: layout, sortingKeys: sortingKeys)
    writer.write(self, depth: 0)
    return writer.text + (layout == .pretty ? "\n" : "")
  }
}

private struct JSONWriter {
  let layout: JSONValue.Layout
  let sortingKeys: Bool
  var text = ""

  init(layout: JSONValue.Layout, sortingKeys: Bool) {
    self.layout = layout
    self.sortingKeys = sortingKeys
  }

  mutating func write(_ value: JSONValue, depth: Int) {
    switch value {
    case .null: text += "null"
    case .bool(let flag): text += flag ? "true" : "false"
    case .int(let number): text += String(number)
    case .double(let number) where number.isNaN: text += "\"NaN\""
    case .double(let number) where number.isInfinite: text += number < 0 ? "\"-Infinity\"" : "\"Infinity\""
    case .double(let number): text += number.description
    case .string(let string): write(string)
    case .array(let elements): write(elements, depth: depth)
    case .object(let object): write(object, depth: depth)
    }
  }

  private mutating func write(_ elements: [JSONValue], depth: Int) {
    let isFlat = layout == .compact || elements.allSatisfy(\.isScalar)
    text += "["
    for (index, element) in elements.enumerated() {
      if index > 0 { text += layout == .pretty && isFlat ? ", " : "," }
      if !isFlat { breakLine(depth + 1) }
      write(element, depth: depth + 1)
    }
    if !isFlat { breakLine(depth) }
    text += "]"
  }

  private mutating func write(_ object: JSONObject, depth: Int) {
    let members =
      sortingKeys
      ? object.members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) } : object.members
    text += "{"
    for (index, member) in members.enumerated() {
      if index > 0 { text += "," }
      if layout == .pretty { breakLine(depth + 1) }
      write(member.key)
      text += layout == .pretty ? ": " : ":"
      write(member.value, depth: depth + 1)
    }
    if layout == .pretty, !members.isEmpty { breakLine(depth) }
    text += "}"
  }

  private mutating func breakLine(_ depth: Int) {
    text += "\n" + String(repeating: "  ", count: depth)
  }

  private mutating func write(_ string: String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F:
        let hex = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}

extension JSONValue {
  fileprivate var isScalar: Bool {
    switch self {
    case .array, .object: false
    default: true
    }
  }
}
