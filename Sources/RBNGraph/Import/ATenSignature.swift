import RBNFormats

/// The arguments of one ATen overload: names, kinds, defaults.
struct ATenSignature: Sendable {
  enum Kind: String, Sendable {
    case tensor = "Tensor"
    case scalar = "Scalar"
    case int, float, bool, str
    case symbolicInt = "SymInt"
    case dtype = "ScalarType"
    case layout = "Layout"
    case device = "Device"
    case memoryFormat = "MemoryFormat"
  }

  struct Parameter: Sendable {
    var name: String
    var kind: Kind
    var isList: Bool
    /// The length of a list for which one number may stand: 2 for `int[2]`.
    var listLength: Int?
    var isOptional: Bool
    /// Used where the program does not give the argument; `nil` for required ones.
    var fallback: ExportedProgram.Argument?
  }

  /// The overload: `conv2d.default`.
  var target: String
  var parameters: [Parameter]

  /// Reads a line in the syntax of PyTorch's `native_functions.yaml`, without the result; `nil` when it is not in it.
  init?(_ line: Substring) {
    guard let open = line.firstIndex(of: "("), line.last == ")" else { return nil }
    target = String(line[..<open])
    parameters = []
    // Commas inside of brackets separate the elements of a default, not parameters.
    for text in Self.split(line[line.index(after: open)...].dropLast()) where text != "*" {
      guard let parameter = Self.parameter(text) else { return nil }
      parameters.append(parameter)
    }
  }

  private static func split(_ text: Substring) -> [Substring] {
    var parts: [Substring] = []
    var (start, depth) = (text.startIndex, 0)
    for index in text.indices {
      switch text[index] {
      case "[": depth += 1
      case "]": depth -= 1
      case "," where depth == 0:
        parts.append(text[start..<index])
        start = text.index(after: index)
      default: break
      }
    }
    parts.append(text[start...])
    return parts.map { $0.drop { $0 == " " } }.filter { !$0.isEmpty }
  }

  private static func parameter(_ text: Substring) -> Parameter? {
    guard let space = text.firstIndex(of: " ") else { return nil }
    var type = text[..<space]
    let declaration = text[text.index(after: space)...].split(separator: "=", maxSplits: 1)
    guard let name = declaration.first else { return nil }
    let isOptional = type.last == "?"
    if isOptional { type = type.dropLast() }
    var (isList, listLength): (Bool, Int?) = (false, nil)
    if let bracket = type.firstIndex(of: "[") {
      isList = true
      listLength = Int(type[type.index(after: bracket)...].dropLast())
      type = type[..<bracket]
      // The elements of a `Tensor?[]` may be absent.
      if type.last == "?" { type = type.dropLast() }
    }
    guard let kind = Kind(rawValue: String(type)) else { return nil }
    var fallback: ExportedProgram.Argument?
    if declaration.count == 2 {
      guard let value = Self.fallback(declaration[1], kind: kind, isList: isList) else { return nil }
      fallback = value
    }
    return Parameter(
      name: String(name), kind: kind, isList: isList, listLength: listLength, isOptional: isOptional,
      fallback: fallback)
  }

  private static func fallback(_ text: Substring, kind: Kind, isList: Bool) -> ExportedProgram.Argument? {
    switch text {
    case "None": return ExportedProgram.Argument.none
    case "True": return .bool(true)
    case "False": return .bool(false)
    case "[]": return .ints([])
    case "contiguous_format": return .memoryFormat(.contiguous)
    default: break
    }
    if text.first == "[", text.last == "]" {
      return .ints(
        text.dropFirst().dropLast().split(separator: ",").compactMap { Int($0.drop { $0 == " " }) })
    }
    if let number = Int(text) { return isList ? .ints([number]) : .int(number) }
    if let number = Double(text) { return .float(number) }
    if text.first == "'", text.last == "'" { return .string(String(text.dropFirst().dropLast())) }
    return nil
  }
}
