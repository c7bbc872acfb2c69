import RBNGraph
import RBNTensor

/// The steps of a network for one set of input shapes, with every value placed in memory.
package struct ExecutionPlan: Sendable {
  /// One operation.
  package struct Step: Sendable {
    package var name: String
    package var module: ModuleCall
    package var op: any Operator
    package var compiled: any CompiledOperator
    package var inputs: [Operand?]
    package var output: Operand
    package var scratchOffset: Int
    package var scratchByteCount: Int

    /// Whether the output is an input's memory, unchanged: nothing runs.
    package var isAlias: Bool
  }

  package let inputShapes: [Shape]
  package let steps: [Step]
  /// Where the network's inputs and outputs lie, in the order of the graph's.
  package let inputs: [Operand]
  package let outputs: [Operand]
  /// The memory of one call in flight, in bytes.
  package let arenaByteCount: Int
}

/// Builds a plan. With `keepsAllValues` no memory is reused, so that every value can be looked at afterwards.
struct Planner {
  let graph: Graph
  let compiled: [any CompiledOperator]
  let constants: [Graph.ValueID: Tensor]
  let threads: Int
  let memoryLimit: Int
  let keepsAllValues: Bool

  func plan(_ inputShapes: [Shape]) throws -> ExecutionPlan {
    let types = try graph.inferTypes(inputShapes: inputShapes)
    var operands = [Operand?](repeating: nil, count: graph.values.count)
    var buffers: [MemoryPlan.Buffer] = []
    /// For values in the arena, the buffer they live in; aliases share one.
    var bufferOf: [Graph.ValueID: Int] = [:]

    func declare(_ value: Graph.ValueID, _ shape: Shape, at step: Int) throws {
      bufferOf[value] = buffers.count
      buffers.append(.init(byteCount: try shape.byteCount(of: .float32), lifetime: step...step))
      operands[value.index] = Operand(location: .arena(0), shape: shape, format: MemoryFormat(shape))
    }
    func extend(_ value: Graph.ValueID, to step: Int) {
      guard let buffer = bufferOf[value] else { return }
      let lifetime = buffers[buffer].lifetime
      buffers[buffer].lifetime = lifetime.lowerBound...max(lifetime.upperBound, step)
    }

    for (value, tensor) in constants {
      operands[value.index] = Operand(location: .constant(tensor), shape: tensor.shape, format: .contiguous)
    }
    // Step 0 brings the inputs in; node i is step i + 1; a last step takes the outputs out.
    for (input, shape) in zip(graph.inputs, inputShapes) { try declare(input.value, shape, at: 0) }
    var scratch: [(buffer: Int, byteCount: Int)?] = []
    var aliases: [Int?] = []
    for (index, node) in graph.nodes.enumerated() {
      let step = index + 1
      let output = node.outputs[0]
      guard let type = types[output.index] else { throw undefined(node) }
      var target = Operand(location: .arena(0), shape: type.shape, format: MemoryFormat(type.shape))
      let inputs = node.inputs.map { $0.flatMap { operands[$0.index] } }
      for input in node.inputs { if let input { extend(input, to: step) } }
      let alias = compiled[index].aliasedInput(inputs, target).flatMap { number -> Int? in
        guard let value = node.inputs[number], bufferOf[value] != nil else { return nil }
        return number
      }
      if let alias, let value = node.inputs[alias] {
        bufferOf[output] = bufferOf[value]
        target.location = .arena(0)
        operands[output.index] = target
      } else {
        try declare(output, type.shape, at: step)
      }
      aliases.append(alias)
      let bytes = try compiled[index].scratchByteCount(inputs, target, threads: threads)
      scratch.append(bytes > 0 ? (buffers.count, bytes) : nil)
      if bytes > 0 { buffers.append(.init(byteCount: bytes, lifetime: step...step)) }
    }
    let last = graph.nodes.count + 1
    for output in graph.outputs { extend(output.value, to: last) }
    if keepsAllValues { for index in buffers.indices { buffers[index].lifetime = 0...last } }

    let memory = try MemoryPlan(buffers, limit: memoryLimit)
    for (value, buffer) in bufferOf { operands[value.index]?.location = .arena(memory.offsets[buffer]) }
    func placed(_ value: Graph.ValueID) throws -> Operand {
      guard let operand = operands[value.index] else {
        throw RBNError(
          .malformedGraph, .model, location: graph[value].name, "nothing makes this value before it is read")
      }
      return operand
    }
    let steps = try graph.nodes.enumerated().map { index, node in
      ExecutionPlan.Step(
        name: node.name, module: node.module, op: node.op, compiled: compiled[index],
        inputs: try node.inputs.enumerated().map { number, value in
          compiled[index].consumedParameters.contains(number) ? nil : try value.map(placed)
        }, output: try placed(node.outputs[0]),
        scratchOffset: scratch[index].map { memory.offsets[$0.buffer] } ?? 0,
        scratchByteCount: scratch[index]?.byteCount ?? 0, isAlias: aliases[index] != nil)
    }
    return ExecutionPlan(
      inputShapes: inputShapes, steps: steps, inputs: try graph.inputs.map { try placed($0.value) },
      outputs: try graph.outputs.map { try placed($0.value) }, arenaByteCount: memory.byteCount)
  }

  private func undefined(_ node: Graph.Node) -> RBNError {
    RBNError(.malformedGraph, .model, location: node.place, "its output has no type")
  }
}
