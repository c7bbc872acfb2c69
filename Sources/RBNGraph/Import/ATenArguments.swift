import RBNFormats
import RBNTensor

/// The arguments of one call, complete: those of the program, and the schema's defaults for the rest.
struct ATenArguments {
  /// An argument with the names of the program resolved.
  enum Value {
    case none
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(String)
    case tensor(Graph.ValueID)
    case tensors([Graph.ValueID])
    case optionalTensors([Graph.ValueID?])
    case ints([Int])
    case doubles([Double])
    case size(SymbolicSize)
    case sizes([SymbolicSize])
    case dtype(DType?)
    case memoryFormat(ExportedProgram.MemoryFormat)
    /// A device or layout, which mean nothing here.
    case placement
  }

  private var values: [String: Value] = [:]
  /// The program's name of the first tensor: what views look at and in-place operators write to.
  let subject: String?

  /// Checks the given arguments against a schema and fills in defaults.
  ///
  /// - Throws: `import.malformed-arguments`, and what `resolve` throws.
  init(
    _ signature: ATenSignature, _ given: [(name: String, argument: ExportedProgram.Argument)],
    resolve: (ExportedProgram.Argument) throws -> Value
  ) throws {
    for (name, argument) in given {
      guard let parameter = signature.parameters.first(where: { $0.name == name }) else {
        throw Self.malformed("has an argument \(name), which \(signature.target) has not")
      }
      let value = try resolve(argument)
      guard Self.accepts(parameter, value) else {
        throw Self.malformed("its argument \(name) is not of the kind that \(signature.target) takes")
      }
      guard values.updateValue(value, forKey: name) == nil else {
        throw Self.malformed("has the argument \(name) twice")
      }
    }
    for parameter in signature.parameters where values[parameter.name] == nil {
      guard let fallback = parameter.fallback else {
        throw Self.malformed("lacks the argument \(parameter.name)")
      }
      values[parameter.name] = try resolve(fallback)
    }
    let first = signature.parameters.first?.name
    if case .tensor(let name)? = given.first(where: { $0.name == first })?.argument {
      subject = name
    } else {
      subject = nil
    }
  }

  private static func accepts(_ parameter: ATenSignature.Parameter, _ value: Value) -> Bool {
    switch (parameter.kind, value) {
    case (_, .none): parameter.isOptional
    case (.tensor, .tensors), (.tensor, .optionalTensors), (.float, .doubles): parameter.isList
    // Python numbers stand for tensors in `x + 1`.
    case (.tensor, .tensor), (.tensor, .int), (.tensor, .double), (.tensor, .size): !parameter.isList
    case (.int, .ints), (.symbolicInt, .ints), (.int, .sizes), (.symbolicInt, .sizes): parameter.isList
    case (.int, .int), (.symbolicInt, .int), (.int, .size), (.symbolicInt, .size):
      !parameter.isList || parameter.listLength != nil
    case (.scalar, .int), (.scalar, .double), (.scalar, .bool), (.scalar, .size), (.float, .int),
      (.float, .double):
      true
    case (.bool, .bool), (.str, .string), (.dtype, .dtype), (.layout, .placement), (.device, .placement),
      (.memoryFormat, .memoryFormat):
      true
    default: false
    }
  }

  private static func malformed(_ message: String) -> RBNError {
    RBNError(.importArguments, .model, message, advice: "export the program again with torch.export.save")
  }
}

// MARK: - Typed reading

extension ATenArguments {
  func value(_ name: String) throws -> Value {
    guard let value = values[name] else { throw Self.malformed("lacks the argument \(name)") }
    return value
  }

  private func wrong(_ name: String, _ kind: String) -> RBNError {
    Self.malformed("its argument \(name) is not \(kind)")
  }

  func tensor(_ name: String) throws -> Graph.ValueID {
    guard case .tensor(let value) = try value(name) else { throw wrong(name, "a tensor") }
    return value
  }

  func optionalTensor(_ name: String) throws -> Graph.ValueID? {
    if case .none = try value(name) { return nil }
    return try tensor(name)
  }

  func tensors(_ name: String) throws -> [Graph.ValueID] {
    guard case .tensors(let values) = try value(name) else { throw wrong(name, "a list of tensors") }
    return values
  }

  func optionalTensors(_ name: String) throws -> [Graph.ValueID?] {
    switch try value(name) {
    case .tensors(let values): return values
    case .optionalTensors(let values): return values
    default: throw wrong(name, "a list of tensors")
    }
  }

  func doubles(_ name: String) throws -> [Double] {
    switch try value(name) {
    case .doubles(let numbers): return numbers
    case .ints(let numbers): return numbers.map { Double($0) }
    default: throw wrong(name, "a list of numbers")
    }
  }

  /// Whether the schema has this argument.
  func has(_ name: String) -> Bool { values[name] != nil }

  /// Whether a number was given as an integer.
  func isWhole(_ name: String) -> Bool {
    switch values[name] {
    case .int, .size: true
    default: false
    }
  }

  /// Whether a number was given as one of floating point, whatever its value: what makes integers float32.
  func isFloatingPoint(_ name: String) -> Bool {
    if case .double = values[name] { true } else { false }
  }

  func isNone(_ name: String) throws -> Bool {
    if case .none = try value(name) { return true }
    return false
  }

  func bool(_ name: String) throws -> Bool {
    guard case .bool(let flag) = try value(name) else { throw wrong(name, "a boolean") }
    return flag
  }

  func string(_ name: String) throws -> String {
    guard case .string(let text) = try value(name) else { throw wrong(name, "a string") }
    return text
  }

  func int(_ name: String) throws -> Int {
    guard let number = try size(name).literal else { throw symbolic(name) }
    return number
  }

  func optionalInt(_ name: String) throws -> Int? {
    if case .none = try value(name) { return nil }
    return try int(name)
  }

  func double(_ name: String) throws -> Double {
    switch try value(name) {
    case .double(let number): return number
    case .int(let number): return Double(number)
    case .bool(let flag): return flag ? 1 : 0
    case .size(let size):
      guard let number = size.literal else { throw symbolic(name) }
      return Double(number)
    default: throw wrong(name, "a number")
    }
  }

  func optionalDouble(_ name: String) throws -> Double? {
    if case .none = try value(name) { return nil }
    return try double(name)
  }

  func size(_ name: String) throws -> SymbolicSize {
    switch try value(name) {
    case .int(let number): return SymbolicSize(number)
    case .size(let size): return size
    default: throw wrong(name, "an integer")
    }
  }

  func sizes(_ name: String) throws -> [SymbolicSize] {
    switch try value(name) {
    case .ints(let numbers): return numbers.map { SymbolicSize($0) }
    case .sizes(let sizes): return sizes
    case .int, .size: return [try size(name)]
    default: throw wrong(name, "a list of integers")
    }
  }

  func ints(_ name: String) throws -> [Int] {
    try sizes(name).map {
      guard let number = $0.literal else { throw symbolic(name) }
      return number
    }
  }

  /// As an attribute of one of our operators.
  func intsAttribute(_ name: String) throws -> Attribute { .ints(try ints(name)) }

  /// The dtype asked for, if any: float32, or one of integers or booleans.
  ///
  /// - Throws: `import.unsupported-dtype` for another floating-point dtype.
  func dtype(_ name: String) throws -> DType? {
    switch try value(name) {
    case .none: return nil
    case .dtype(let dtype?) where dtype == .float32 || !dtype.isFloatingPoint: return dtype
    default:
      try requireFloat32(name)
      return .float32
    }
  }

  /// Checks that a computation is asked for in float32, or in the dtype of its input.
  func requireFloat32(_ name: String) throws {
    switch try value(name) {
    case .none, .dtype(.float32): return
    case .dtype(let dtype):
      throw RBNError(
        .importDType, .model, "converts to \(dtype.map { "\($0)" } ?? "a dtype unknown here"), not float32",
        advice: "export the network in float32: model.float()")
    default: throw wrong(name, "a dtype")
    }
  }

  private func symbolic(_ name: String) -> RBNError {
    RBNError(
      .importSymbolicSize, .model,
      "its argument \(name) depends on the size of the input; only shapes may",
      advice: "export with static height and width")
  }
}
