import RBNFormats
import RBNTensor

extension GraphCoding {
  /// The graph of a document, with those of the given parameters that it reads.
  ///
  /// - Throws: `graph.schema-version`, `graph.missing-parameter`, `graph.malformed`, `graph.unsupported-operator`,
  ///   `graph.invalid-attribute`, `graph.shape-mismatch` (by shape inference on the example shapes), `json.unexpected-value`.
  package static func decode(
    _ document: JSONValue, parameters: [String: Tensor], name: String = "graph.json"
  ) throws -> Graph {
    let root = JSONNode(document, document: name)
    let version = try root.member("schema_version")
    guard try version.int() == schemaVersion else {
      throw version.failure(
        "the graph has schema version \(try version.int()), and only \(schemaVersion) is known",
        .graphSchemaVersion, advice: "use the version of this package that wrote the file, or export again")
    }
    var decoder = GraphDecoder(parameters: parameters)
    for input in try root.member("inputs").elements() { try decoder.addInput(input) }
    for node in try root.member("nodes").elements() { try decoder.addNode(node) }
    for output in try root.member("outputs").elements() { try decoder.addOutput(output) }
    guard !decoder.graph.outputs.isEmpty else {
      throw root.failure("the graph has no outputs", .malformedGraph)
    }
    do {
      _ = try decoder.graph.inferTypes(inputShapes: decoder.graph.inputs.map(\.exampleShape))
    } catch var error as RBNError {
      error.subject = .model
      throw error
    }
    return decoder.graph
  }
}

private struct GraphDecoder {
  let parameters: [String: Tensor]
  var graph = Graph()
  private var values: [String: Graph.ValueID] = [:]
  private var nodeNames: Set<String> = []
  private var outputNames: Set<String> = []

  init(parameters: [String: Tensor]) { self.parameters = parameters }

  private mutating func define(_ name: String, _ value: Graph.ValueID, at node: JSONNode) throws {
    guard values.updateValue(value, forKey: name) == nil else {
      throw node.failure("the value \(name.debugDescription) is defined twice", .malformedGraph)
    }
  }

  mutating func addInput(_ node: JSONNode) throws {
    let name = try node.member("name").string()
    let dtypeNode = try node.member("dtype")
    guard let dtype = DType(rawValue: try dtypeNode.string()), dtype == .float32 || !dtype.isFloatingPoint
    else {
      throw dtypeNode.failure(
        "the input has the dtype \(try dtypeNode.string()); float32, integers and bool are supported",
        .malformedGraph)
    }
    let shape = try node.member("shape").list { size -> Int? in size.isNull ? nil : try size.int() }
    let example = try node.member("example_shape").list { try $0.int() }
    let value = graph.addInput(name, dtype: dtype, shape: shape, exampleShape: Shape(example))
    try define(name, value, at: node)
    do {
      try graph.inputs.last?.check(Shape(example))
      _ = try Shape(example).byteCount(of: dtype)
    } catch let error as RBNError {
      throw node.failure("its example does not fit: \(error.message)", .malformedGraph)
    }
  }

  mutating func addNode(_ node: JSONNode) throws {
    let name = try node.member("name").string()
    guard nodeNames.insert(name).inserted else {
      throw node.failure("there are two nodes named \(name.debugDescription)", .malformedGraph)
    }
    let op = try makeOperator(node)
    let inputs = try node.member("inputs").list { input in input.isNull ? nil : try reference(input) }
    var outputs: [Graph.ValueID] = []
    for output in try node.member("outputs").elements() {
      let value = graph.newValue(named: try output.string())
      try define(try output.string(), value, at: output)
      outputs.append(value)
    }
    let call = try node.member("call")
    guard try call.int() >= 0 else { throw call.failure("the number of a call is negative", .malformedGraph) }
    let module = ModuleCall(try node.member("module").string(), call: try call.int())
    graph.nodes.append(Graph.Node(name: name, op: op, inputs: inputs, outputs: outputs, module: module))
  }

  private func makeOperator(_ node: JSONNode) throws -> any Operator {
    let given = try node.member("attributes")
    let attributes = Attributes(
      entries: try given.members().map { .init(name: $0.key, value: try attribute($0.node, depth: 0)) })
    do {
      let op = try OperatorTable.make(try node.member("op").string(), attributes)
      let known = Set(op.attributes.entries.map(\.name))
      if let unknown = attributes.entries.first(where: { !known.contains($0.name) }) {
        throw RBNError(
          .invalidAttribute, .model,
          "\(op.name) has no attribute \(unknown.name.debugDescription), or not beside its others")
      }
      return op
    } catch var error as RBNError {
      if let inner = error.location, inner != given.place { error.message = "\(inner): \(error.message)" }
      error.location = node.place
      throw error
    }
  }

  private func attribute(_ node: JSONNode, depth: Int) throws -> Attribute {
    guard depth < 64 else { throw node.failure("an attribute is nested too deeply", .invalidAttribute) }
    switch node.value {
    case .null: return Attribute.none
    case .bool(let flag): return .bool(flag)
    case .int: return .int(try node.int())
    case .double(let number): return .double(number)
    case .string("Infinity"), .string("-Infinity"), .string("NaN"): return .double(try node.double())
    case .string(let text): return .string(text)
    case .array: return .list(try node.list { try attribute($0, depth: depth + 1) })
    case .object: throw node.expected("a number, a string, a boolean or a list of them")
    }
  }

  /// The value that a name or `{"parameter": key}` means.
  private mutating func reference(_ node: JSONNode) throws -> Graph.ValueID {
    if case .object = node.value {
      let key = try node.member("parameter").string()
      guard let tensor = parameters[key] else {
        throw node.failure(
          "the parameter \(key.debugDescription) is not among the weights", .missingParameter)
      }
      graph.parameters[key] = tensor
      return graph.parameter(key)
    }
    let name = try node.string()
    guard let value = values[name] else {
      throw node.failure(
        "the value \(name.debugDescription) is not defined before it is read", .malformedGraph)
    }
    return value
  }

  mutating func addOutput(_ node: JSONNode) throws {
    let name = try node.member("name").string()
    guard outputNames.insert(name).inserted else {
      throw node.failure("there are two outputs named \(name.debugDescription)", .malformedGraph)
    }
    graph.outputs.append(Graph.Output(name: name, value: try reference(try node.member("value"))))
  }
}
