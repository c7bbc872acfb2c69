import RBNTensor

extension ExportedProgram {
  /// The major versions of the schema that this package reads: torch 2.5 wrote 7, its successors write 8.
  package static let schemaMajorVersions = 7...8

  /// Reads the graph and the signature out of the document `model.json`; weights are read elsewhere.
  ///
  /// Unknown keys are ignored, as the schema's minor versions demand.
  ///
  /// - Throws: `exported-program.version`, `json.unexpected-value`.
  init(_ root: JSONNode) throws {
    // The version comes first: everything else may look different in another.
    let version = try root.member("schema_version")
    let major = try version.member("major").int()
    schemaVersion = (major, try version.optionalMember("minor")?.int() ?? 0)
    torchVersion = try root.optionalMember("torch_version")?.string() ?? ""
    guard Self.schemaMajorVersions.contains(major) else {
      throw Self.unknownSchema(major, location: version.place)
    }
    opsetVersion = Dictionary(
      try root.optionalMember("opset_version")?.members().map { ($0.key, try $0.node.int()) } ?? []
    ) { first, _ in first }
    rangeConstraints = Dictionary(
      try root.optionalMember("range_constraints")?.members().map { ($0.key, try RangeConstraint($0.node)) }
        ?? []
    ) { first, _ in first }
    let module = try root.member("graph_module")
    let signature = try module.member("signature")
    inputSpecs = try signature.member("input_specs").list(InputSpec.init)
    outputSpecs = try signature.member("output_specs").list(OutputSpec.init)
    outputNames = OutputTree.names(module)
    let graph = try module.member("graph")
    inputs = try graph.member("inputs").list(Argument.init)
    outputs = try graph.member("outputs").list(Argument.init)
    nodes = try graph.member("nodes").list(Node.init)
    tensorValues = Dictionary(
      try graph.member("tensor_values").members().map { ($0.key, try TensorMeta($0.node)) }
    ) { first, _ in first }
    symIntValues = Dictionary(
      try graph.optionalMember("sym_int_values")?.members().map { ($0.key, try SymInt($0.node)) } ?? []
    ) { first, _ in first }
  }
}

extension JSONNode {
  /// The one member of a union: the schema writes the case as the key and its value as the value.
  fileprivate func unionCase() throws -> (kind: String, value: JSONNode) {
    let members = try self.members()
    guard let first = members.first, members.count == 1 else { throw expected("an object with one key") }
    return (first.key, first.node)
  }

  /// The `name` member.
  fileprivate func name() throws -> String { try member("name").string() }
}

extension ExportedProgram.Argument {
  init(_ node: JSONNode) throws {
    let (kind, value) = try node.unionCase()
    self = try Self.scalar(kind, value) ?? Self.list(kind, value) ?? .unsupported(kind)
  }

  private static func scalar(_ kind: String, _ value: JSONNode) throws -> Self? {
    switch kind {
    case "as_none": return Self.none
    case "as_tensor": return .tensor(try value.name())
    case "as_optional_tensor":
      let (inner, tensor) = try value.unionCase()
      return inner == "as_tensor" ? .tensor(try tensor.name()) : Self.none
    case "as_int": return .int(try value.int())
    case "as_float": return .float(try value.double())
    case "as_bool": return .bool(try value.bool())
    case "as_string": return .string(try value.string())
    case "as_sym_int": return .symInt(try ExportedProgram.SymIntArgument(value))
    case "as_scalar_type": return .scalarType(ExportedProgram.ScalarType(code: try value.int()))
    case "as_memory_format":
      return .memoryFormat(ExportedProgram.MemoryFormat(rawValue: try value.int()) ?? .unknown)
    case "as_device": return .device(try value.member("type").string())
    case "as_layout": return .layout(ExportedProgram.Layout(code: try value.int()))
    default: return nil
    }
  }

  private static func list(_ kind: String, _ value: JSONNode) throws -> Self? {
    switch kind {
    case "as_tensors": .tensors(try value.list { try $0.name() })
    case "as_optional_tensors":
      .optionalTensors(
        try value.list { element in
          let (inner, tensor) = try element.unionCase()
          return inner == "as_tensor" ? try tensor.name() : nil
        })
    case "as_ints": .ints(try value.list { try $0.int() })
    case "as_floats": .floats(try value.list { try $0.double() })
    case "as_bools": .bools(try value.list { try $0.bool() })
    case "as_strings": .strings(try value.list { try $0.string() })
    case "as_sym_ints": .symInts(try value.list(ExportedProgram.SymIntArgument.init))
    default: nil
    }
  }
}

extension ExportedProgram.SymIntArgument {
  init(_ node: JSONNode) throws {
    let (kind, value) = try node.unionCase()
    switch kind {
    case "as_name": self = .name(try value.string())
    case "as_int": self = .literal(try value.int())
    default: throw node.expected("as_name or as_int")
    }
  }
}

extension ExportedProgram.SymInt {
  init(_ node: JSONNode) throws {
    let (kind, value) = try node.unionCase()
    switch kind {
    case "as_int": self = .int(try value.int())
    case "as_expr":
      let hint = try value.optionalMember("hint")?.optionalMember("as_int")?.int()
      self = .expression(try value.member("expr_str").string(), hint: hint)
    default: throw node.expected("as_int or as_expr")
    }
  }
}

extension ExportedProgram.TensorMeta {
  init(_ node: JSONNode) throws {
    scalarType = ExportedProgram.ScalarType(code: try node.member("dtype").int())
    sizes = try node.member("sizes").list(ExportedProgram.SymInt.init)
    strides = try node.member("strides").list(ExportedProgram.SymInt.init)
    storageOffset = try ExportedProgram.SymInt(try node.member("storage_offset"))
    layout = ExportedProgram.Layout(code: try node.member("layout").int())
  }
}

extension ExportedProgram.RangeConstraint {
  init(_ node: JSONNode) throws {
    func bound(_ key: String) throws -> Int? {
      guard let value = try node.optionalMember(key) else { return nil }
      if let number = try? value.double(), number.isInfinite { return nil }
      return try value.int()
    }
    minimum = try bound("min_val")
    maximum = try bound("max_val")
  }
}

extension ExportedProgram.Node {
  init(_ node: JSONNode) throws {
    target = try node.member("target").string()
    inputs = try node.member("inputs").list { input in
      (try input.name(), try ExportedProgram.Argument(try input.member("arg")))
    }
    outputs = try node.member("outputs").list(ExportedProgram.Argument.init)
    name = try node.optionalMember("name")?.string() ?? ""
    let stack = try node.optionalMember("metadata")?.optionalMember("nn_module_stack")?.string()
    modulePath = stack.map(Self.innermostModule) ?? ""
    moduleCall = stack.map(Self.innermostCall) ?? 0
  }

  /// Which call of the innermost module it is, by the number behind its key: `L__self__layer1.0.relu@1`.
  static func innermostCall(_ stack: String) -> Int {
    guard let key = stack.split(separator: ";").last?.split(separator: ",").first,
      let at = key.lastIndex(of: "@"), let call = Int(key[key.index(after: at)...]), call >= 0
    else { return 0 }
    return call
  }

  /// The path of the innermost module in `key,path,type;key,path,type;…`.
  ///
  /// Strict exports decorate paths: `L['self'].layer1[0].conv1`, `L['self']._modules['layer1']`; a module that
  /// is called again gets `@1` behind its path. What is left is the prefix of its state-dict keys.
  static func innermostModule(_ stack: String) -> String {
    guard let entry = stack.split(separator: ";").last,
      let first = entry.firstIndex(of: ","), let last = entry.lastIndex(of: ","), first < last
    else { return "" }
    var path = String(entry[entry.index(after: first)..<last])
    for decoration in ["L['self']", "L[\"self\"]", "_modules"] { path = path.removingAll(decoration) }
    var parts = path.split { ".[]'\"".contains($0) }.map(String.init)
    if let last = parts.last, let at = last.lastIndex(of: "@") {
      parts[parts.count - 1] = String(last[..<at])
    }
    return parts.joined(separator: ".")
  }
}

extension String {
  /// The text without any occurrence of `part`.
  fileprivate func removingAll(_ part: String) -> String {
    var result = ""
    var rest = self[...]
    while let found = rest.firstRange(of: part) {
      result += rest[..<found.lowerBound]
      rest = rest[found.upperBound...]
    }
    return result + rest
  }
}

extension ExportedProgram.InputSpec {
  init(_ node: JSONNode) throws {
    let (kind, value) = try node.unionCase()
    switch kind {
    case "parameter":
      self = .parameter(
        argument: try value.member("arg").name(), key: try value.member("parameter_name").string())
    case "buffer":
      self = .buffer(
        argument: try value.member("arg").name(), key: try value.member("buffer_name").string(),
        isPersistent: try value.optionalMember("persistent")?.bool() ?? true)
    case "tensor_constant":
      self = .tensorConstant(
        argument: try value.member("arg").name(), key: try value.member("tensor_constant_name").string())
    case "user_input": self = .userInput(try ExportedProgram.Argument(try value.member("arg")))
    case "constant_input": self = .constantInput(name: try value.name())
    default: self = .unsupported(kind)
    }
  }
}

extension ExportedProgram.OutputSpec {
  init(_ node: JSONNode) throws {
    let (kind, value) = try node.unionCase()
    switch kind {
    case "user_output": self = .userOutput(try ExportedProgram.Argument(try value.member("arg")))
    case "buffer_mutation":
      self = .bufferMutation(
        argument: try value.member("arg").name(), key: try value.member("buffer_name").string())
    case "user_input_mutation":
      self = .userInputMutation(
        argument: try value.member("arg").name(), input: try value.member("user_input_name").string())
    default: self = .unsupported(kind)
    }
  }
}
