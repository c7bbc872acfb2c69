import RBNFormats
import RBNTensor

/// Turns a program of `torch.export` into a graph.
///
/// Calls become operators by ``Lowerings``; writes in place are made functional; parameters that are only reshaped or transposed
/// become parameters of the new shape. What shape inference finds is checked against what the exporter recorded.
package enum ExportedProgramImporter {
  /// The graph of a program, with the parameters that it reads, as float32.
  ///
  /// Rank-4 inputs accept any batch size, height and width that the program does not fix (``FixedSizes``).
  ///
  /// - Throws: an `import.…` error located at the module and node, or `graph.…` errors for calls that no tensors fit.
  package static func graph(from program: ExportedProgram) throws -> Graph {
    try checkOperators(program)
    var importer = ProgramImporter(program)
    try importer.addInputs()
    for node in program.nodes { try importer.add(node) }
    try importer.addOutputs()
    return try importer.finished()
  }

  /// - Throws: one error that names every operator without a lowering, how often it occurs and where first.
  private static func checkOperators(_ program: ExportedProgram) throws {
    var found: [String: (count: Int, first: String)] = [:]
    for node in program.nodes where !isKnown(node.target) {
      found[node.target, default: (0, node.modulePath)].count += 1
    }
    guard !found.isEmpty else { return }
    let listed = found.sorted { $0.key < $1.key }.prefix(30).map { target, use in
      let place = use.first.isEmpty ? "the network itself" : use.first
      let name = target.hasPrefix("torch.ops.") ? String(target.dropFirst("torch.ops.".count)) : target
      return "\(name) (\(use.count) \(use.count == 1 ? "time" : "times"), first in \(place))"
    }
    let rest = found.count > listed.count ? ", and \(found.count - listed.count) more" : ""
    throw RBNError(
      .importUnsupportedOperators, .model,
      "the program uses operators that are not supported: " + listed.joined(separator: ", ") + rest,
      advice: "replace these operations in the network, or export with run_decompositions()")
  }

  private static func isKnown(_ target: String) -> Bool {
    ATenSignatures.sizeOperations[target] != nil || ATenSignatures.assertions.contains(target)
      || Lowerings.find(target) != nil
  }
}

/// One import.
private struct ProgramImporter {
  private let program: ExportedProgram
  private var context = ImportContext()
  /// Values that the exporter recorded with a dtype that networks here don't compute in.
  private var foreign: [Graph.ValueID: String] = [:]
  private var symbolic: [[Bool]] = []

  init(_ program: ExportedProgram) { self.program = program }
}

// MARK: - Inputs

extension ProgramImporter {
  mutating func addInputs() throws {
    let tensors = Dictionary((program.weights + program.constants).map { ($0.key, $0.tensor) }) { $1 }
    for spec in program.inputSpecs {
      switch spec {
      case .parameter(let name, let key), .tensorConstant(let name, let key):
        try addParameter(name, key: key, tensors[key], origin: .parameter(key: key))
      case .buffer(let name, let key, _):
        try addParameter(name, key: key, tensors[key], origin: .buffer(key: key))
      case .userInput(.tensor(let name)): try addInput(name)
      case .userInput(.none), .constantInput: continue
      case .userInput:
        throw RBNError(
          .importInterface, .model, "the program has an input that is not a tensor",
          advice: "export the network with tensors as its only inputs")
      case .unsupported(let kind):
        throw RBNError(.importInterface, .model, "the program has an input of the kind \(kind)")
      }
    }
  }

  private mutating func addParameter(
    _ name: String, key: String, _ tensor: Tensor?, origin: TracedStorage.Origin
  ) throws {
    guard var tensor else {
      throw RBNError(.importValues, .model, location: key, "the archive does not hold this tensor")
    }
    if tensor.dtype.isFloatingPoint { tensor = try tensor.converted(to: .float32) }
    context.graph.parameters[key] = tensor
    let value = context.graph.parameter(key)
    context.setType(TensorType(tensor.shape, tensor.dtype), of: value)
    let recorded = program.tensorValues[name]?.strides.compactMap(\.example)
    try context.bindTensor(name, to: value, origin: origin, strides: recorded)
  }

  private mutating func addInput(_ name: String) throws {
    let location = "input \(name)"
    guard let meta = program.tensorValues[name], meta.layout == .strided else {
      throw RBNError(.importInterface, .model, location: location, "is not described as a dense tensor")
    }
    guard let dtype = meta.scalarType.dtype, dtype == .float32 || !dtype.isFloatingPoint else {
      let dtype = meta.scalarType.dtype.map { "\($0)" } ?? "code \(meta.scalarType.code)"
      throw RBNError(
        .importDType, .model, location: location,
        "has the dtype \(dtype); float32, integers and bool are supported",
        advice: "export the network in float32: model.float()")
    }
    let example = meta.sizes.compactMap(\.example)
    guard example.count == meta.sizes.count, example.allSatisfy({ $0 > 0 }) else {
      throw RBNError(.importInterface, .model, location: location, "has no example of its shape")
    }
    _ = try Shape(example).byteCount(of: .float32)
    let isSymbolic = meta.sizes.map(\.isSymbolic)
    let value = context.graph.addInput(
      name, dtype: dtype, shape: zip(example, isSymbolic).map { $1 ? nil : $0 },
      exampleShape: Shape(example))
    symbolic.append(isSymbolic)
    context.setType(TensorType(Shape(example), dtype), of: value)
    try context.bindTensor(name, to: value, strides: meta.strides.compactMap(\.example))
  }
}

// MARK: - Nodes

extension ProgramImporter {
  mutating func add(_ node: ExportedProgram.Node) throws {
    context.nodeName = Self.tensorNames(node).first ?? node.name
    context.module = ModuleCall(node.modulePath, call: node.moduleCall)
    do {
      if ATenSignatures.assertions.contains(node.target) { return try skip(node) }
      if let operation = ATenSignatures.sizeOperations[node.target] {
        return try bindSize(SymbolicSize(operation, size(node, 0), size(node, 1)), node)
      }
      try lower(node)
    } catch var error as RBNError {
      error.location = place(node)
      error.subject = .model
      throw error
    }
  }

  private func place(_ node: ExportedProgram.Node) -> String {
    let module = context.module.path.isEmpty ? "" : "\(context.module), "
    return "\(module)node \(node.name.isEmpty ? context.nodeName : node.name) (\(node.target))"
  }

  private mutating func lower(_ node: ExportedProgram.Node) throws {
    guard let (signature, lowering, isInPlace) = Lowerings.find(node.target) else {
      throw RBNError(.importUnsupportedOperators, .model, "is not supported")
    }
    let arguments = try ATenArguments(signature, node.inputs) { try resolve($0) }
    let names = Self.tensorNames(node)
    switch try lowering(&context, arguments) {
    case .size(let size): return try bindSize(size, node)
    case .value(let value):
      guard names.count == 1 else { throw wrongResults(names.count, 1) }
      if isInPlace {
        guard let subject = arguments.subject else {
          throw RBNError(.importInPlace, .model, "writes in place to a number")
        }
        try context.write(value, to: subject, result: names[0])
      } else {
        try context.bindTensor(names[0], to: value, strides: strides(names[0]))
      }
    case .values(let values):
      guard names.count == values.count else { throw wrongResults(names.count, values.count) }
      for (name, value) in zip(names, values) {
        try context.bindTensor(name, to: value, strides: strides(name))
      }
    case .first(let value, let others):
      guard let first = names.first else { throw wrongResults(0, 1) }
      try context.bindTensor(first, to: value, strides: strides(first))
      for name in names.dropFirst() { try context.bind(name, .unavailable(others)) }
      try check(first)
      return
    case .views(let views):
      guard names.count == views.count, let subject = arguments.subject else {
        throw wrongResults(names.count, views.count)
      }
      for (name, steps) in zip(names, views) {
        context.nodeName = name
        try context.bindView(name, of: subject, steps: steps, strides: strides(name))
      }
    }
    for name in names { try check(name) }
  }

  private func wrongResults(_ found: Int, _ expected: Int) -> RBNError {
    RBNError(.importValues, .model, "names \(found) results where the call has \(expected)")
  }

  private func strides(_ name: String) -> [Int]? {
    guard let meta = program.tensorValues[name] else { return nil }
    let strides = meta.strides.compactMap(\.example)
    return strides.count == meta.strides.count ? strides : nil
  }

  private mutating func skip(_ node: ExportedProgram.Node) throws {
    let what = "the outcome of a check of sizes, which is not computed"
    for case .symInt(.name(let name)) in node.outputs { try context.bind(name, .unavailable(what)) }
  }

  private static func tensorNames(_ node: ExportedProgram.Node) -> [String] {
    node.outputs.flatMap { output -> [String] in
      switch output {
      case .tensor(let name): [name]
      case .tensors(let names): names
      default: []
      }
    }
  }

  private mutating func bindSize(_ size: SymbolicSize, _ node: ExportedProgram.Node) throws {
    guard case .symInt(.name(let name))? = node.outputs.first, node.outputs.count == 1 else {
      throw RBNError(.importValues, .model, "computes a size and does not name it")
    }
    try context.bind(name, .size(size))
  }

  private func size(_ node: ExportedProgram.Node, _ index: Int) throws -> SymbolicSize {
    guard node.inputs.count == 2 else {
      throw RBNError(.importArguments, .model, "has \(node.inputs.count) arguments, not 2")
    }
    switch node.inputs[index].argument {
    case .int(let value): return SymbolicSize(value)
    case .symInt(let size): return try resolve(size)
    default: throw RBNError(.importArguments, .model, "computes with something that is not an integer")
    }
  }

  private func resolve(_ size: ExportedProgram.SymIntArgument) throws -> SymbolicSize {
    switch size {
    case .literal(let value): return SymbolicSize(value)
    case .name(let name):
      guard case .size(let size) = try context.binding(name) else {
        throw RBNError(.importValues, .model, "uses \(name) as a size")
      }
      return size
    }
  }

  private mutating func resolve(_ argument: ExportedProgram.Argument) throws -> ATenArguments.Value {
    switch argument {
    case .none: return .none
    case .tensor(let name): return .tensor(try context.read(name))
    case .tensors(let names): return .tensors(try names.map { try context.read($0) })
    case .int(let value): return .int(value)
    case .ints(let values): return .ints(values)
    case .float(let value): return .double(value)
    case .bool(let value): return .bool(value)
    case .string(let value): return .string(value)
    case .symInt(let size): return .size(try resolve(size))
    case .symInts(let sizes): return .sizes(try sizes.map { try resolve($0) })
    case .scalarType(let type): return .dtype(type.dtype)
    case .memoryFormat(let format): return .memoryFormat(format)
    case .device, .layout: return .placement
    case .optionalTensors(let names):
      return .optionalTensors(try names.map { try $0.map { try context.read($0) } })
    case .floats(let values): return .doubles(values)
    case .bools, .strings:
      throw RBNError(
        .importArguments, .model, "has a list argument of a kind that no supported operator takes")
    case .unsupported(let kind):
      throw RBNError(.importArguments, .model, "has an argument of the kind \(kind)")
    }
  }

  /// Compares a result with what the exporter recorded about it.
  private mutating func check(_ name: String) throws {
    guard let meta = program.tensorValues[name] else { return }
    let value = try context.traced(name).cached
    if !Self.isSupported(meta.scalarType.dtype) {
      foreign[value] = meta.scalarType.dtype.map { "\($0)" } ?? "code \(meta.scalarType.code)"
    } else if let type = context.type(of: value), let recorded = meta.scalarType.dtype,
      Self.kind(type.dtype) != Self.kind(recorded)
    {
      throw RBNError(
        .importDType, .model, "\(name) has the dtype \(type.dtype), but the exporter recorded \(recorded)",
        advice: "export the program again; if it persists, report it with the program")
    }
    let recorded = meta.sizes.map(\.example)
    let found = try context.shape(of: value)
    guard recorded.count == found.rank, zip(recorded, found).allSatisfy({ $0 == nil || $0 == $1 }) else {
      let text = recorded.map { $0.map(String.init) ?? "?" }.joined(separator: ", ")
      throw RBNError(
        .importShapes, .model, "\(name) has the shape \(found), but the exporter recorded (\(text))",
        advice: "export the program again; if it persists, report it with the program")
    }
  }
}

extension ProgramImporter {
  /// Whether values of a dtype are computed: float32, integers, booleans.
  private static func isSupported(_ dtype: DType?) -> Bool {
    dtype == .float32 || dtype.map { !$0.isFloatingPoint } == true
  }

  private enum Kind { case boolean, integer, floatingPoint }

  private static func kind(_ dtype: DType) -> Kind {
    dtype == .bool ? .boolean : dtype.isFloatingPoint ? .floatingPoint : .integer
  }
}

extension ExportedProgram.SymInt {
  /// The size in the exporter's example.
  fileprivate var example: Int? {
    switch self {
    case .int(let value): value
    case .expression(_, let hint): hint
    }
  }

  fileprivate var isSymbolic: Bool {
    if case .expression = self { return true }
    return false
  }
}

// MARK: - Outputs

extension ProgramImporter {
  mutating func addOutputs() throws {
    var results: [(name: String, value: Graph.ValueID)] = []
    // The results come last, after the buffers that the program changes.
    let userOutputs = program.outputSpecs.count {
      if case .userOutput = $0 { true } else { false }
    }
    let names = program.outputNames.flatMap { $0.count == userOutputs ? $0 : nil }
    var position = -1
    for spec in program.outputSpecs {
      if case .userOutput = spec { position += 1 }
      switch spec {
      case .userOutput(.tensor(let name)):
        do {
          results.append((names?[position] ?? name, try context.read(name)))
        } catch let error as RBNError {
          throw error.at("output \(name)")
        }
      case .userOutput(.none), .userInputMutation: continue
      case .bufferMutation(_, let key): context.noteMutation(ofBuffer: key)
      case .userOutput:
        throw RBNError(.importInterface, .model, "the program has an output that is not a tensor")
      case .unsupported(let kind):
        throw RBNError(.importInterface, .model, "the program has an output of the kind \(kind)")
      }
    }
    guard !results.isEmpty else {
      throw RBNError(.importInterface, .model, "the program has no output that is a tensor")
    }
    var used = UniqueNames()
    for (name, value) in results {
      let given = results.count == 1 && names == nil ? "output" : name
      let unique = used.claim(given) { $0 == 1 ? "\(given)_again" : "\(given)_again_\($0)" }
      context.graph.outputs.append(Graph.Output(name: unique, value: value))
    }
  }

  /// The graph without what no output depends on, with its free sizes.
  func finished() throws -> Graph {
    var graph = context.graph
    graph.removeUnreadNodes()
    try checkRead(graph)
    graph.keepOnlyReadParameters()
    for (index, fixed) in try FixedSizes.shapes(of: graph, symbolic: symbolic).enumerated() {
      graph.inputs[index].shape = fixed
    }
    return graph
  }

  /// Checks what outputs depend on: no buffer that the program changes, and no floating point but float32.
  private func checkRead(_ graph: Graph) throws {
    for node in graph.nodes {
      for input in node.inputs.compactMap({ $0 }) {
        guard case .parameter(let key) = graph[input].origin else { continue }
        if let place = context.mutatedBuffers[context.originalKey(key)] {
          throw RBNError(
            .importTrainingMode, .model, location: place,
            "the program changes the buffer \(context.originalKey(key)) that its outputs depend on",
            advice: "call model.eval() before torch.export.export")
        }
      }
      if let dtype = node.outputs.compactMap({ foreign[$0] }).first {
        throw RBNError(
          .importDType, .model, location: node.place, "computes in \(dtype), not float32",
          advice: "export the network in float32: model.float()")
      }
    }
  }
}

extension Graph {
  /// Drops the tensors of keys that no node or output reads.
  mutating func keepOnlyReadParameters() {
    var read: Set<String> = []
    for value in nodes.flatMap(\.inputs).compactMap({ $0 }) + outputs.map(\.value) {
      if case .parameter(let key) = self[value].origin { read.insert(key) }
    }
    parameters = parameters.filter { read.contains($0.key) }
  }
}
