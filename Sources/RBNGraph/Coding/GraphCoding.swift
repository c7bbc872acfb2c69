import RBNFormats
import RBNTensor

extension RBNError.Code {
  /// A graph document of a version that this package does not know.
  package static let graphSchemaVersion = Self("graph.schema-version")
  /// A graph refers to a parameter that was not given.
  package static let missingParameter = Self("graph.missing-parameter")
}

/// A graph as JSON, stable across versions of this package: what bundles hold beside the weights.
///
///     {"schema_version": 1,
///      "inputs": [{"name", "dtype", "shape": [null, 3, null, null], "example_shape": [1, 3, 224, 224]}],
///      "outputs": [{"name", "value"}],
///      "nodes": [{"name", "op", "inputs": ["value", {"parameter": "key"}, null], "outputs": ["value"],
///                 "attributes": {…}, "module": "layer1.0.conv1", "call": 0}]}
///
/// Nodes come after the nodes that they read. Numbers that JSON has not are the strings `Infinity`, `-Infinity`, `NaN`.
package enum GraphCoding {
  /// The version that is written.
  package static let schemaVersion = 1

  /// The document of a graph.
  ///
  /// - Throws: `graph.unsupported-operator` for operators that only passes make.
  package static func encode(_ graph: Graph) throws -> JSONValue {
    let known = Set(OperatorTable.names)
    var names = ValueNames(graph)
    let inputs = graph.inputs.map { input -> JSONValue in
      [
        ("name", .string(names[input.value])), ("dtype", .string(input.dtype.rawValue)),
        ("shape", .array(input.shape.map { $0.map { .int(Int64($0)) } ?? .null })),
        ("example_shape", .integers(input.exampleShape.dimensions)),
      ].object
    }
    let nodes = try graph.nodes.map { node -> JSONValue in
      guard known.contains(node.op.name) else {
        throw RBNError(
          .unsupportedOperator, .model, location: node.place, "this operator is never written to a file")
      }
      return [
        ("name", .string(node.name)), ("op", .string(node.op.name)),
        ("inputs", .array(node.inputs.map { reference($0, graph, &names) })),
        ("outputs", .array(node.outputs.map { .string(names[$0]) })),
        ("attributes", .object(JSONObject(node.op.attributes.entries.map { ($0.name, json($0.value)) }))),
        ("module", .string(node.module.path)), ("call", .int(Int64(node.module.call))),
      ].object
    }
    let outputs = graph.outputs.map { output -> JSONValue in
      [("name", .string(output.name)), ("value", reference(output.value, graph, &names))].object
    }
    return [
      ("schema_version", .int(Int64(schemaVersion))), ("inputs", .array(inputs)),
      ("outputs", .array(outputs)), ("nodes", .array(nodes)),
    ].object
  }

  private static func reference(_ value: Graph.ValueID?, _ graph: Graph, _ names: inout ValueNames)
    -> JSONValue
  {
    guard let value else { return .null }
    if case .parameter(let key) = graph[value].origin { return [("parameter", .string(key))].object }
    return .string(names[value])
  }

  private static func json(_ attribute: Attribute) -> JSONValue {
    switch attribute {
    case .none: .null
    case .bool(let flag): .bool(flag)
    case .int(let number): .int(Int64(number))
    case .double(let number):
      if number.isFinite {
        .double(number)
      } else {
        .string(number.isNaN ? "NaN" : number < 0 ? "-Infinity" : "Infinity")
      }
    case .string(let text): .string(text)
    case .list(let elements): .array(elements.map { json($0) })
    }
  }
}

extension [(String, JSONValue)] {
  fileprivate var object: JSONValue { .object(JSONObject(self)) }
}

/// Names for values, unique even where passes gave a name twice.
private struct ValueNames {
  private let graph: Graph
  private var given: [Graph.ValueID: String] = [:]
  private var used: Set<String> = []

  init(_ graph: Graph) { self.graph = graph }

  subscript(value: Graph.ValueID) -> String {
    mutating get {
      if let name = given[value] { return name }
      var (name, attempt) = (graph[value].name, 1)
      while !used.insert(name).inserted {
        attempt += 1
        name = "\(graph[value].name).\(attempt)"
      }
      given[value] = name
      return name
    }
  }
}
