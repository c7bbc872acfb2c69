import RBNFormats
import RBNTensor

/// The graph under construction, and what the program's names stand for.
struct ImportContext {
  /// What a name of the program stands for.
  enum Binding {
    case tensor(TracedTensor)
    case size(SymbolicSize)
    /// A result that this runtime does not compute; the text says which.
    case unavailable(String)
  }

  var graph = Graph()
  private(set) var types: [TensorType?] = []
  private var bindings: [String: Binding] = [:]
  var storages: [TracedStorage] = []
  private var nodeNames = UniqueNames()
  private var folder = ParameterFolder()
  /// Values that are computed of parameters alone.
  private var constants: Set<Graph.ValueID> = []
  /// Keys of buffers that the program writes to.
  private(set) var mutatedBuffers: [String: String] = [:]

  /// The node being imported.
  var nodeName = ""
  var module = ModuleCall("")

  /// The bytes of constants, as float64, that the program may still ask for: in all more than any real network needs.
  var constantBudget = 1 << 28

  /// Steps from a storage to a view, at most.
  private static let pathLimit = 64
}

// MARK: - Names

extension ImportContext {
  mutating func bind(_ name: String, _ binding: Binding) throws {
    guard bindings.updateValue(binding, forKey: name) == nil else {
      throw RBNError(.importValues, .model, "the value \(name) is made twice")
    }
  }

  /// Binds a name to a tensor of its own storage.
  mutating func bindTensor(
    _ name: String, to value: Graph.ValueID, origin: TracedStorage.Origin = .node, strides: [Int]?
  ) throws {
    storages.append(TracedStorage(origin: origin, base: value))
    let tensor = TracedTensor(
      storage: storages.count - 1, path: [], cached: value, version: 0, strides: strides ?? contiguous(value))
    try bind(name, .tensor(tensor))
  }

  private func contiguous(_ value: Graph.ValueID) -> [Int] { type(of: value)?.shape.contiguousStrides ?? [] }

  func binding(_ name: String) throws -> Binding {
    guard let binding = bindings[name] else {
      throw RBNError(.importValues, .model, "reads the value \(name), which nothing before it makes")
    }
    return binding
  }

  func traced(_ name: String) throws -> TracedTensor {
    switch try binding(name) {
    case .tensor(let tensor): return tensor
    case .size: throw RBNError(.importValues, .model, "uses the size \(name) as a tensor")
    case .unavailable(let what): throw RBNError(.importUnsupportedArguments, .model, "uses \(what)")
    }
  }

  func type(of value: Graph.ValueID) -> TensorType? {
    value.index < types.count ? types[value.index] : nil
  }

  /// The shape of a value that this context made.
  func shape(of value: Graph.ValueID) throws -> Shape {
    guard let type = type(of: value) else {
      throw RBNError(.importValues, .model, "the shape of \(graph[value].name) is not known")
    }
    return type.shape
  }

  mutating func setType(_ type: TensorType, of value: Graph.ValueID) {
    while types.count <= value.index { types.append(nil) }
    types[value.index] = type
  }

  private mutating func uniqueName() -> String {
    let name = nodeName
    return nodeNames.claim(name) { "\(name).\($0)" }
  }
}

// MARK: - Nodes

extension ImportContext {
  /// Appends an operator to the graph, or computes it now when it only rearranges a parameter.
  ///
  /// - Throws: `graph.shape-mismatch` when the operator does not accept these inputs.
  mutating func emit(_ op: any Operator, _ inputs: [Graph.ValueID?]) throws -> Graph.ValueID {
    if let folded = try folder.fold(op, inputs, in: &graph) {
      if let tensor = graph.tensor(of: folded) { setType(TensorType(tensor.shape), of: folded) }
      return folded
    }
    let inferred = try op.inferTypes(inputs.map { $0.flatMap { type(of: $0) } })
    guard inferred.count == 1 else {
      throw RBNError(.malformedGraph, .model, "\(op.name) has \(inferred.count) outputs")
    }
    _ = try inferred[0].shape.byteCount(of: inferred[0].dtype)
    let value = graph.append(op, inputs, module: module, name: uniqueName())
    setType(inferred[0], of: value)
    if inputs.allSatisfy({ $0.map { isConstant($0) } ?? true }) { constants.insert(value) }
    return value
  }

  /// Whether a value is a parameter, or computed of parameters alone.
  func isConstant(_ value: Graph.ValueID) -> Bool { graph.isParameter(value) || constants.contains(value) }

  /// A parameter that the program makes itself: `zeros`, `arange`, …
  ///
  /// - Throws: `import.unsupported-arguments` when it exceeds what is left of ``constantBudget``.
  mutating func constant(
    _ shape: Shape, dtype: DType, _ element: (Int) -> Double
  ) throws -> Graph.ValueID {
    let stored: DType = dtype.isFloatingPoint ? .float32 : dtype
    let byteCount = try shape.byteCount(of: .float64)
    guard byteCount <= constantBudget else {
      throw RBNError(
        .importUnsupportedArguments, .model,
        "makes a constant of shape \(shape), which is too large, alone or with the program's other constants")
    }
    constantBudget -= byteCount
    let wide = try Tensor(shape: shape, dtype: .float64) { bytes in
      let out = bytes.bindMemory(to: Double.self)
      for index in out.indices { out[index] = element(index) }
    }
    let value = graph.addParameter(try wide.converted(to: stored), suggestedKey: "\(nodeName).constant")
    setType(TensorType(shape, stored), of: value)
    return value
  }

  /// A number as a tensor without dimensions.
  mutating func scalar(_ number: Double, dtype: DType = .float32) throws -> Graph.ValueID {
    try constant([], dtype: dtype) { _ in number }
  }

  /// The parameter, as the state dict has it, that a value is the transpose of.
  func transposed(_ value: Graph.ValueID) -> Graph.ValueID? { folder.transposed[value] }

  /// The key in the state dict of a parameter that was perhaps rearranged at import.
  func originalKey(_ key: String) -> String { folder.originals[key] ?? key }
}

// MARK: - Views and writes in place

extension ImportContext {
  /// The current value of a name.
  ///
  /// - Throws: `import.in-place` when a write to another view of its storage can't be expressed.
  mutating func read(_ name: String) throws -> Graph.ValueID {
    var tensor = try traced(name)
    let version = storages[tensor.storage].writes.count
    if tensor.version == version { return tensor.cached }
    if try sees(tensor) {
      // What is made anew bears the name of the view, not of its reader.
      let reader = nodeName
      nodeName = name
      tensor.cached = try derive(tensor)
      nodeName = reader
    }
    tensor.version = version
    bindings[name] = .tensor(tensor)
    return tensor.cached
  }

  /// Whether a write since its value was taken touches a view.
  private func sees(_ tensor: TracedTensor) throws -> Bool {
    let storage = storages[tensor.storage]
    guard let base = type(of: storage.base) else { return true }
    return storage.writes[tensor.version...].contains { write in
      guard let mine = tensor.path.first, let theirs = write.path.first else { return true }
      return !mine.isDisjoint(from: theirs, base: base)
    }
  }

  private mutating func derive(_ tensor: TracedTensor) throws -> Graph.ValueID {
    let storage = storages[tensor.storage]
    if let last = storage.writes.last, last.path.count == tensor.path.count,
      zip(last.path, tensor.path).allSatisfy({ $0 == $1 })
    {
      return last.value
    }
    var base = storage.base
    for write in storage.writes[storage.foldedCount...] {
      base = try scatter(write.value, into: base, along: write.path[...])
    }
    storages[tensor.storage].base = base
    storages[tensor.storage].foldedCount = storage.writes.count
    return try follow(tensor.path, from: base)
  }

  private mutating func follow(_ path: [ViewStep], from value: Graph.ValueID) throws -> Graph.ValueID {
    var value = value
    for step in path { value = try emit(step.op, [value] + step.extra) }
    return value
  }

  /// `base` with the elements that a path leads to replaced.
  private mutating func scatter(
    _ value: Graph.ValueID, into base: Graph.ValueID, along path: ArraySlice<ViewStep>
  ) throws -> Graph.ValueID {
    guard let step = path.first else { return value }
    var inner = value
    if path.count > 1 {
      let outer = try emit(step.op, [base] + step.extra)
      inner = try scatter(value, into: outer, along: path.dropFirst())
    }
    let shape = try shape(of: base)
    switch step.op {
    case is Reshape, is Flatten:
      let sizes = shape.indices.map { SizeExpression.size(input: 1, axis: $0) }
      return try emit(Reshape(sizes: sizes), [inner, base])
    case let permute as Permute:
      let order = try permute.order(rank: shape.rank)
      var inverse = order
      for (position, axis) in order.enumerated() { inverse[axis] = position }
      return try emit(Permute(dims: inverse), [inner])
    case let slice as Slice where slice.step == 1 && shape.rank > 0:
      let axis = try slice.axis(slice.dim, rank: shape.rank)
      return try replace(slice.range(size: shape[axis]), of: base, axis: axis, with: inner)
    default:
      throw RBNError(
        .importInPlace, .model,
        "needs a tensor after a write in place to a view of it (\(step.op.name)) that can't be undone",
        advice: "write to a copy in the network's code, or export with run_decompositions()")
    }
  }

  /// `base` with the elements of a range along one dimension replaced: what is before them, they, what is after them.
  mutating func replace(
    _ range: (start: Int, count: Int), of base: Graph.ValueID, axis: Int, with value: Graph.ValueID
  ) throws -> Graph.ValueID {
    let end = range.start + range.count
    var parts: [Graph.ValueID] = []
    if range.start > 0 { parts.append(try emit(Slice(dim: axis, start: 0, end: range.start), [base])) }
    parts.append(value)
    if try end < shape(of: base)[axis] {
      parts.append(try emit(Slice(dim: axis, start: end, end: Int.max), [base]))
    }
    return parts.count == 1 ? value : try emit(Concat(dim: axis), parts)
  }

  /// Binds a name to a view of another.
  mutating func bindView(_ name: String, of source: String, steps: [ViewStep], strides: [Int]?) throws {
    let tensor = try traced(source)
    let start = try read(source)
    let value = try follow(steps, from: start)
    let path = tensor.path + steps.filter { !($0.op is Identity) }
    guard path.count <= Self.pathLimit else {
      throw RBNError(.importInPlace, .model, "is a view of more than \(Self.pathLimit) views")
    }
    try bind(
      name,
      .tensor(
        TracedTensor(
          storage: tensor.storage, path: path, cached: value,
          version: storages[tensor.storage].writes.count, strides: strides ?? contiguous(value))))
  }

  /// Makes a name and every other view of its storage see a new value, and binds `result` to it too.
  ///
  /// - Throws: `import.in-place`, `import.parameter-mutation`.
  mutating func write(_ value: Graph.ValueID, to name: String, result: String?) throws {
    var tensor = try traced(name)
    guard let old = type(of: tensor.cached), old == type(of: value) else {
      throw RBNError(.importInPlace, .model, "writes a tensor of another shape or dtype in place")
    }
    switch storages[tensor.storage].origin {
    case .node: break
    case .buffer(let key): noteMutation(ofBuffer: key)
    case .parameter(let key):
      throw RBNError(
        .importParameterMutation, .model, "writes to the parameter \(key)",
        advice: "export the network in eval mode: model.eval()")
    }
    if tensor.path.contains(where: { $0.op is Expand }) {
      throw RBNError(.importInPlace, .model, "writes in place to an expanded tensor")
    }
    storages[tensor.storage].writes.append(TracedStorage.Write(path: tensor.path, value: value))
    tensor.cached = value
    tensor.version = storages[tensor.storage].writes.count
    bindings[name] = .tensor(tensor)
    if let result { try bind(result, .tensor(tensor)) }
  }

  mutating func noteMutation(ofBuffer key: String) { mutatedBuffers[key] = "\(module) \(nodeName)" }
}
