import RBNTensor

/// A network in single-assignment form: nodes in topological order, each value made once and never changed.
///
/// In-place operations of the source have been made functional; `parameters` holds the state dict's tensors (and
/// those that passes computed), by key.
package struct Graph: Sendable {
  /// Identifies a value of one graph.
  package struct ValueID: Hashable, Comparable, Sendable {
    package let index: Int
    package static func < (left: ValueID, right: ValueID) -> Bool { left.index < right.index }
  }

  /// Where a value comes from.
  package enum Origin: Hashable, Sendable {
    case input
    /// A tensor of ``Graph/parameters``, by key.
    case parameter(String)
    case node
  }

  package struct Value: Sendable {
    package var name: String
    package var origin: Origin
  }

  /// One operation.
  package struct Node: Sendable {
    /// Unique within the graph.
    package var name: String
    package var op: any Operator
    /// In the order of the ATen signature; `nil` where an optional tensor is absent.
    package var inputs: [ValueID?]
    package var outputs: [ValueID]
    package var module: ModuleCall
  }

  /// A network input.
  package struct Input: Sendable {
    package var name: String
    package var value: ValueID
    package var dtype: DType
    /// One entry a dimension; `nil` where any size is accepted.
    package var shape: [Int?]
    /// A shape that the network is known to accept: the exporter's example, or the architecture's usual size.
    package var exampleShape: Shape
  }

  package struct Output: Sendable {
    package var name: String
    package var value: ValueID

    package init(name: String, value: ValueID) {
      self.name = name
      self.value = value
    }
  }

  package private(set) var values: [Value] = []
  package var nodes: [Node] = []
  package var inputs: [Input] = []
  package var outputs: [Output] = []
  package var parameters: [String: Tensor] = [:]
  /// The types of the parameters that ``releaseParameters()`` let go of.
  private var releasedTypes: [String: TensorType] = [:]
  private var parameterValues: [String: ValueID] = [:]
  /// For each key that ``addParameter(_:suggestedKey:)`` was asked for, the last number tried.
  private var keyNumbers: [String: Int] = [:]

  package init() {}
}

/// The module of the PyTorch network that a node belongs to, and which of its calls.
package struct ModuleCall: Hashable, Sendable, CustomStringConvertible {
  /// The dotted path, `layer1.0.conv1`; empty for the network itself.
  package var path: String
  /// 0 for the module's first call, 1 for its second, …
  package var call: Int

  package init(_ path: String, call: Int = 0) {
    self.path = path
    self.call = call
  }

  /// `layer1.0.relu` for the first call, `layer1.0.relu#1` for the second.
  package var description: String { call == 0 ? path : "\(path)#\(call)" }
}

// MARK: - Building

extension Graph {
  /// Declares a network input.
  package mutating func addInput(
    _ name: String, dtype: DType = .float32, shape: [Int?], exampleShape: Shape
  ) -> ValueID {
    let value = addValue(name, .input)
    inputs.append(Input(name: name, value: value, dtype: dtype, shape: shape, exampleShape: exampleShape))
    return value
  }

  /// The value of the parameter `key`, whose tensor is in ``parameters`` or will be put there.
  package mutating func parameter(_ key: String) -> ValueID {
    if let known = parameterValues[key] { return known }
    let value = addValue(key, .parameter(key))
    parameterValues[key] = value
    return value
  }

  /// Adds a parameter that no state dict holds, under a key not yet used.
  package mutating func addParameter(_ tensor: Tensor, suggestedKey: String) -> ValueID {
    var key = suggestedKey
    var number = keyNumbers[suggestedKey, default: 1]
    while parameters[key] != nil {
      number += 1
      key = "\(suggestedKey).\(number)"
    }
    keyNumbers[suggestedKey] = number
    parameters[key] = tensor
    return parameter(key)
  }

  /// Appends a node with one output and returns that output.
  @discardableResult
  package mutating func append(
    _ op: any Operator, _ inputs: [ValueID?], module: ModuleCall, name: String? = nil
  ) -> ValueID {
    let value = newValue(
      named: name ?? "\(op.name.split(separator: ".").dropFirst().first ?? "value")_\(nodes.count)")
    nodes.append(
      Node(name: values[value.index].name, op: op, inputs: inputs, outputs: [value], module: module))
    return value
  }

  /// A value for a node that is yet to be inserted.
  package mutating func newValue(named name: String) -> ValueID { addValue(name, .node) }

  private mutating func addValue(_ name: String, _ origin: Origin) -> ValueID {
    values.append(Value(name: name, origin: origin))
    return ValueID(index: values.count - 1)
  }
}

// MARK: - Releasing

extension Graph {
  /// Lets go of the tensors of all parameters and keeps their types, for a graph that is only looked at.
  package mutating func releaseParameters() {
    for key in Array(parameters.keys) { releaseParameter(key) }
  }

  /// Lets go of the tensor of a parameter and keeps its type; nothing for other values.
  package mutating func releaseParameter(_ value: ValueID) {
    if case .parameter(let key) = values[value.index].origin { releaseParameter(key) }
  }

  private mutating func releaseParameter(_ key: String) {
    guard let tensor = parameters.removeValue(forKey: key) else { return }
    releasedTypes[key] = TensorType(tensor.shape, tensor.dtype)
  }
}

// MARK: - Reading

extension Graph {
  package subscript(value: ValueID) -> Value { values[value.index] }

  /// The tensor behind a value, when the value is a parameter that is present.
  package func tensor(of value: ValueID?) -> Tensor? {
    guard let value, case .parameter(let key) = values[value.index].origin else { return nil }
    return parameters[key]
  }

  /// The type of a parameter as it is stored, also when it has been released.
  package func parameterType(of value: ValueID) -> TensorType? {
    guard case .parameter(let key) = values[value.index].origin else { return nil }
    return parameters[key].map { TensorType($0.shape, $0.dtype) } ?? releasedTypes[key]
  }

  package func isParameter(_ value: ValueID) -> Bool {
    if case .parameter = values[value.index].origin { return true }
    return false
  }

  /// For every value, the indices of the nodes that read it, in order.
  package var readers: [[Int]] {
    var readers = [[Int]](repeating: [], count: values.count)
    for (index, node) in nodes.enumerated() {
      for input in Set(node.inputs.compactMap { $0 }) { readers[input.index].append(index) }
    }
    return readers
  }

  /// For every value that a node makes, the index of that node.
  package var producers: [Int?] {
    var producers = [Int?](repeating: nil, count: values.count)
    for (index, node) in nodes.enumerated() {
      for output in node.outputs { producers[output.index] = index }
    }
    return producers
  }
}
