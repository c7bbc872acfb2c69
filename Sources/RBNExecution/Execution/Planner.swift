import RBNGraph
import RBNTensor

/// Builds a plan. With `keepsAllValues` no memory is reused, so that every value can be looked at afterwards.
struct Planner {
  let graph: Graph
  let compiled: [any CompiledOperator]
  let constants: [Graph.ValueID: Operand]
  let threads: Int
  let memoryLimit: Int
  let keepsAllValues: Bool

  func plan(_ inputShapes: [Shape]) throws -> ExecutionPlan {
    var layout = PlanLayout(graph: graph, constants: constants)
    let types = try graph.inferTypes(inputShapes: inputShapes)
    try MemoryPlan.check(graph, types, limit: memoryLimit)
    // Step 0 brings the inputs in; node i is step i + 1; a last step takes the outputs out.
    for (input, shape) in zip(graph.inputs, inputShapes) {
      let operand = Operand(location: .arena(0), shape: shape, format: MemoryFormat(shape))
      try layout.declare(input.value, operand, at: 0)
    }
    let readers = graph.readers
    for (index, node) in graph.nodes.enumerated() {
      guard let type = types[node.outputs[0].index] else {
        throw RBNError(.malformedGraph, .model, location: node.place, "its output has no type")
      }
      let isFree = readers[node.outputs[0].index].allSatisfy { compiled[$0].acceptsAnyFormat }
      try layout.place(node, compiled[index], shape: type.shape, choosesFormat: isFree, at: index + 1)
    }
    try layout.placeSums(compiled, threads: threads)
    let operators = try specialize(layout)
    var scratch: [Int?] = []
    for (index, node) in graph.nodes.enumerated() {
      let bytes =
        layout.isAlias[index]
        ? 0
        : try operators[index].scratchByteCount(
          layout.operands(node.inputs), try layout.operand(node.outputs[0]), threads: threads)
      scratch.append(bytes > 0 ? layout.scratch(bytes, at: index + 1) : nil)
    }
    let last = graph.nodes.count + 1
    for output in graph.outputs { layout.extend(output.value, to: last) }
    if keepsAllValues { layout.keepEverything(until: last) }

    let memory = try MemoryPlan(layout.buffers, limit: memoryLimit)
    layout.assign(memory)
    let steps = try graph.nodes.enumerated().map { index, node in
      let sums = layout.sums[node.outputs[0]]
      return ExecutionPlan.Step(
        name: node.name, module: node.module, op: node.op, compiled: operators[index],
        inputs: try node.inputs.enumerated().map { number, value in
          operators[index].consumedParameters.contains(number)
            ? nil : try value.map { try layout.operand($0) }
        }, output: try layout.operand(node.outputs[0]),
        scratchOffset: scratch[index].map { memory.offsets[$0] } ?? 0,
        scratchByteCount: scratch[index].map { layout.buffers[$0].byteCount } ?? 0,
        isAlias: layout.isAlias[index],
        inputSumsOffset: layout.summedInput[index].flatMap { layout.sums[$0] }.map {
          memory.offsets[$0.buffer]
        },
        outputSumsOffset: sums.flatMap { $0.scratch == nil ? memory.offsets[$0.buffer] : nil },
        sums: sums?.collected(memory))
    }
    return ExecutionPlan(
      inputShapes: inputShapes, steps: steps, inputs: try graph.inputs.map { try layout.operand($0.value) },
      outputs: try graph.outputs.map { try layout.operand($0.value) },
      outputDTypes: graph.outputs.map { types[$0.value.index]?.dtype ?? .float32 },
      inputSums: try layout.sums.filter { $0.value.isExternal }.sorted { $0.key.index < $1.key.index }
        .compactMap { value, sums in
          guard let collected = sums.collected(memory) else { return nil }
          return (try layout.operand(value), collected)
        },
      arenaByteCount: memory.byteCount)
  }

  private func specialize(_ layout: PlanLayout) throws -> [any CompiledOperator] {
    try graph.nodes.enumerated().map { index, node in
      if layout.isAlias[index] { return compiled[index] }
      let output = node.outputs[0]
      do {
        return try compiled[index].specialized(
          layout.operands(node.inputs), try layout.operand(output), threads: threads,
          collectsSums: layout.sums[output].map { $0.scratch == nil } ?? false)
      } catch let error as RBNError {
        throw error.at(node.place)
      }
    }
  }
}

/// Where values, sums and scratch go, while a plan is made.
private struct PlanLayout {
  /// Sums over H and W of a value.
  struct Sums {
    var buffer: Int
    /// The scratch buffer of a pass of their own; `nil` when the value's producer collects them.
    var scratch: Int?
    /// Whether the value is an input or a parameter, and its sums are made before the first step.
    var isExternal: Bool

    func collected(_ memory: MemoryPlan) -> ExecutionPlan.CollectedSums? {
      scratch.map { .init(offset: memory.offsets[buffer], scratchOffset: memory.offsets[$0]) }
    }
  }

  let graph: Graph
  private(set) var buffers: [MemoryPlan.Buffer] = []
  private(set) var isAlias: [Bool] = []
  private(set) var sums: [Graph.ValueID: Sums] = [:]
  /// For each node the value whose sums it reads.
  private(set) var summedInput: [Graph.ValueID?] = []
  private var values: [Operand?]
  /// For values in the arena, the buffer they live in; aliases share one.
  private var bufferOf: [Graph.ValueID: Int] = [:]

  init(graph: Graph, constants: [Graph.ValueID: Operand]) {
    self.graph = graph
    values = [Operand?](repeating: nil, count: graph.values.count)
    for (value, operand) in constants { values[value.index] = operand }
  }

  func operand(_ value: Graph.ValueID) throws -> Operand {
    guard let operand = values[value.index] else {
      throw RBNError(
        .malformedGraph, .model, location: graph[value].name, "nothing makes this value before it is read")
    }
    return operand
  }

  func operands(_ inputs: [Graph.ValueID?]) -> [Operand?] { inputs.map { $0.flatMap { values[$0.index] } } }

  mutating func declare(_ value: Graph.ValueID, _ operand: Operand, at step: Int) throws {
    bufferOf[value] = buffers.count
    buffers.append(.init(byteCount: try operand.shape.byteCount(of: .float32), lifetime: step...step))
    values[value.index] = operand
  }

  mutating func extend(_ value: Graph.ValueID, to step: Int) {
    if let buffer = bufferOf[value] { extend(buffer: buffer, to: step) }
  }

  private mutating func extend(buffer: Int, to step: Int) {
    let lifetime = buffers[buffer].lifetime
    buffers[buffer].lifetime = lifetime.lowerBound...max(lifetime.upperBound, step)
  }

  mutating func scratch(_ byteCount: Int, at step: Int) -> Int {
    buffers.append(.init(byteCount: byteCount, lifetime: step...step))
    return buffers.count - 1
  }

  mutating func keepEverything(until last: Int) {
    for index in buffers.indices { buffers[index].lifetime = 0...last }
  }

  /// Gives a node's output its place: an input's memory when the operator moves no data, else memory of its own.
  ///
  /// - Parameter choosesFormat: Whether everything that reads the output accepts any format.
  mutating func place(
    _ node: Graph.Node, _ compiled: any CompiledOperator, shape: Shape, choosesFormat: Bool, at step: Int
  ) throws {
    let output = node.outputs[0]
    let format =
      choosesFormat ? compiled.outputFormat(operands(node.inputs), shape) : MemoryFormat(shape)
    let target = Operand(location: .arena(0), shape: shape, format: format)
    for input in node.inputs { if let input { extend(input, to: step) } }
    let alias = compiled.aliasedInput(operands(node.inputs), target).flatMap { node.inputs[$0] }
    if let alias, let buffer = bufferOf[alias] {
      bufferOf[output] = buffer
      values[output.index] = target
      isAlias.append(true)
    } else {
      try declare(output, target, at: step)
      isAlias.append(false)
    }
  }

  /// Gives the sums that operators want their places, and their makers.
  mutating func placeSums(_ compiled: [any CompiledOperator], threads: Int) throws {
    let producers = graph.producers
    for (index, node) in graph.nodes.enumerated() {
      guard !isAlias[index], let number = compiled[index].summedInput(operands(node.inputs)),
        let value = node.inputs[number]
      else {
        summedInput.append(nil)
        continue
      }
      summedInput.append(value)
      let step = index + 1
      if let known = sums[value] {
        extend(buffer: known.buffer, to: step)
        continue
      }
      let image = try operand(value).image
      let producer = producers[value.index]
      let made = (producer ?? -1) + 1
      let buffer = buffers.count
      buffers.append(.init(byteCount: image.batch * image.channels * 8, lifetime: made...step))
      let isCollected = producer.map { !isAlias[$0] && compiled[$0].collectsOutputSums } ?? false
      sums[value] = Sums(
        buffer: buffer,
        scratch: isCollected
          ? nil
          : scratch(
            ChannelSums.scratchByteCount(
              batch: image.batch, pixels: image.height * image.width, channels: image.channels), at: made),
        isExternal: producer == nil)
    }
  }

  mutating func assign(_ memory: MemoryPlan) {
    for (value, buffer) in bufferOf { values[value.index]?.location = .arena(memory.offsets[buffer]) }
  }
}
