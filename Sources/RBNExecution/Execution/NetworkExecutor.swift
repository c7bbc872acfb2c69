import RBNGraph
import RBNTensor
import Synchronization

/// Choices of a caller about how a network runs. None of them changes the results beyond rounding.
package struct ExecutionOptions: Sendable {
  /// Passes to leave out, by name; see ``PassPipeline/names``.
  package var disabledPasses: Set<String> = []
  /// `nil` for the best that the machine has.
  package var instructionSet: InstructionSet?
  /// The number of threads a call may use; `nil` for all of the process's pool.
  package var threads: Int?
  /// The largest arena of one call, in bytes.
  package var memoryLimit = 16 << 30
  /// Whether 3 × 3 convolutions may use Winograd's algorithm, which is faster and rounds a little more.
  package var usesWinograd = true
  /// Where the mean of a convolution's output comes from; `nil` for the cheaper way, layer by layer.
  package var meanSource: MeanSource?

  package init() {}
}

/// Runs a network: the graph after the passes, its weights packed, and the plans made so far.
///
/// Calls may overlap; each in flight has an arena of its own, which is kept for the next.
package final class NetworkExecutor: Sendable {
  /// The graph as it was given, without the tensors of its parameters.
  package let sourceGraph: Graph
  /// The graph that runs, without the tensors of its parameters: weights are held once, as kernels read them.
  package let graph: Graph
  package let options: ExecutionOptions
  package let pool: ThreadPool

  private let kernels: KernelTable
  let compiled: [any CompiledOperator]
  /// The parameters that steps read as operands.
  let constants: [Graph.ValueID: Operand]
  private let plans = Mutex<[PlanEntry]>([])
  private let keepsAllValues: Bool

  private final class PlanEntry: Sendable {
    let plan: ExecutionPlan
    /// Arenas of finished calls.
    let arenas = Mutex<[TensorStorage]>([])
    init(_ plan: ExecutionPlan) { self.plan = plan }
  }

  /// The number of input shapes whose plans are kept; the oldest goes first.
  private static let plansKept = 8
  /// The number of arenas kept for a plan when no call is in flight.
  private static let arenasKept = 4

  /// Runs the passes and prepares every node.
  ///
  /// - Throws: `graph.unsupported-operator` naming a node that can't be run, and what the passes throw.
  ///
  /// - Complexity: O(weights). Each weight is let go of when it is packed, so that a caller who hands over the only copy
  ///   of the graph never has them all in memory twice.
  package convenience init(graph: consuming Graph, options: ExecutionOptions = ExecutionOptions()) throws {
    try self.init(graph: graph, options: options, keepsAllValues: false)
  }

  private init(graph source: consuming Graph, options: ExecutionOptions, keepsAllValues: Bool) throws {
    var graph = source
    var structure = graph
    structure.releaseParameters()
    sourceGraph = structure
    self.options = options
    self.keepsAllValues = keepsAllValues
    let exampleShapes = graph.inputs.map(\.exampleShape)
    try MemoryPlan.check(graph, try graph.inferTypes(inputShapes: exampleShapes), limit: .max)
    try PassPipeline.run(&graph, disabled: options.disabledPasses)
    kernels = KernelTable.table(for: options.instructionSet ?? .best)
    pool = options.threads.map { ThreadPool(threads: $0) } ?? .shared
    let types = try graph.inferTypes(inputShapes: exampleShapes)
    let outputs = graph.outputs.map(\.value)
    var readers = graph.readers.map(\.count)
    for output in outputs { readers[output.index] += 1 }
    var compiled: [any CompiledOperator] = []
    var constants: [Graph.ValueID: Operand] = [:]
    let layout = Layout(table: kernels, pool: pool)
    for node in graph.nodes {
      guard let op = node.op as? any ExecutableOperator, node.outputs.count == 1 else {
        throw RBNError(.unsupportedOperator, .model, location: node.place, "this operator can't be run")
      }
      let made: any CompiledOperator
      do {
        made = try op.compile(
          NodeContext(
            node: node, graph: graph, kernels: kernels, options: options, pool: pool, exampleTypes: types))
      } catch let error as RBNError {
        throw error.at(node.place)
      }
      compiled.append(made)
      // Only parameters that steps read as operands stay, in the layout of activations where a step asks for that.
      for (index, input) in node.inputs.enumerated() where !made.consumedParameters.contains(index) {
        guard let input, let tensor = graph.tensor(of: input) else { continue }
        let operand = try constants[input] ?? Operand(constant: tensor.computable())
        constants[input] = made.acceptsAnyFormat ? operand : try operand.asActivation(layout)
      }
      for input in Set(node.inputs.compactMap { $0 }) {
        readers[input.index] -= 1
        if readers[input.index] == 0 { graph.releaseParameter(input) }
      }
    }
    self.compiled = compiled
    for output in outputs {
      if constants[output] == nil, let tensor = graph.tensor(of: output) {
        constants[output] = Operand(constant: try tensor.computable())
      }
    }
    self.constants = constants
    graph.releaseParameters()
    self.graph = graph
  }

  /// The plan for the given input shapes; made on first use.
  ///
  /// - Throws: `graph.shape-mismatch` when the network does not accept the shapes, `execution.memory-limit`.
  package func plan(for inputShapes: [Shape]) throws -> ExecutionPlan { try entry(for: inputShapes).plan }

  private func entry(for inputShapes: [Shape]) throws -> PlanEntry {
    if let known = plans.withLock({ $0.first { $0.plan.inputShapes == inputShapes } }) { return known }
    let planner = Planner(
      graph: graph, compiled: compiled, constants: constants, threads: pool.threads,
      memoryLimit: options.memoryLimit, keepsAllValues: keepsAllValues)
    let entry = PlanEntry(try planner.plan(inputShapes))
    plans.withLock { plans in
      if plans.count >= Self.plansKept { plans.removeFirst() }
      plans.append(entry)
    }
    return entry
  }

  /// Runs the network. Blocks the calling thread, which takes part in the work.
  ///
  /// - Parameters:
  ///   - inputs: float tensors in the order of the graph's inputs.
  ///   - isCancelled: asked between steps.
  ///   - didFinishPart: called when the inputs are in place, after each step of the plan (those that are aliases too),
  ///     and when the outputs have been taken out. For measuring.
  /// - Returns: float32 tensors in the order of the graph's outputs.
  /// - Throws: `graph.shape-mismatch`, `tensor.unsupported-dtype`, `execution.memory-limit`, `CancellationError`.
  package func run(
    _ inputs: [Tensor], isCancelled: () -> Bool = { false }, didFinishPart: () -> Void = {}
  ) throws -> [Tensor] {
    let entry = try entry(for: inputs.map(\.shape))
    let arena =
      try entry.arenas.withLock { $0.popLast() } ?? TensorStorage(byteCount: entry.plan.arenaByteCount)
    defer {
      entry.arenas.withLock { if $0.count < Self.arenasKept { $0.append(arena) } }
    }
    try execute(
      entry.plan, inputs, arena, isCancelled: isCancelled, afterInputs: didFinishPart,
      afterStep: { _, _ in didFinishPart() })
    let outputs = try zip(entry.plan.outputs, entry.plan.outputDTypes).map {
      try read($0, arena).converted(to: $1)
    }
    didFinishPart()
    return outputs
  }

  /// Runs the network as it was given, without fusion, and returns besides the outputs the value of every node.
  package static func runObserving(
    graph: consuming Graph, options: ExecutionOptions = ExecutionOptions(), _ inputs: [Tensor]
  ) throws -> (outputs: [Tensor], values: [ObservedValue]) {
    var options = options
    // Weights that the network computes from parameters have to be folded for their kernels.
    options.disabledPasses = Set(PassPipeline.names).subtracting([FoldConstants.name])
    let executor = try NetworkExecutor(graph: graph, options: options, keepsAllValues: true)
    let plan = try executor.plan(for: inputs.map(\.shape))
    let arena = try TensorStorage(byteCount: plan.arenaByteCount)
    var values: [ObservedValue] = []
    try executor.execute(plan, inputs, arena, isCancelled: { false }) { step, arena in
      values.append(
        ObservedValue(
          name: step.name, module: step.module, op: step.op.name,
          tensor: try executor.read(step.output, arena)))
    }
    let outputs = try zip(plan.outputs, plan.outputDTypes).map {
      try executor.read($0, arena).converted(to: $1)
    }
    return (outputs, values)
  }

  package struct ObservedValue: Sendable {
    package var name: String
    package var module: ModuleCall
    package var op: String
    package var tensor: Tensor
  }

  private func execute(
    _ plan: ExecutionPlan, _ inputs: [Tensor], _ arena: TensorStorage, isCancelled: () -> Bool,
    afterInputs: () -> Void = {}, afterStep: (ExecutionPlan.Step, TensorStorage) throws -> Void
  ) throws {
    guard let base = arena.bytes.baseAddress else {
      throw RBNError(.outOfMemory, .system, "the arena has no memory")
    }
    for (index, tensor) in inputs.enumerated() {
      try graph.inputs[index].check(tensor.dtype)
      try write(try tensor.computable(), plan.inputs[index], base)
    }
    afterInputs()
    for (operand, sums) in plan.inputSums { collect(sums, of: operand, base) }
    for step in plan.steps {
      if isCancelled() { throw CancellationError() }
      // What has no elements needs no computation, and operators need not care.
      if !step.isAlias, step.output.count > 0 {
        do {
          try step.compiled.run(step.inputs, step.output, context(step, base))
        } catch let error as RBNError {
          throw error.at("\(step.module) (\(step.op.name))")
        }
      }
      if let sums = step.sums { collect(sums, of: step.output, base) }
      try afterStep(step, arena)
    }
  }

  private func context(_ step: ExecutionPlan.Step, _ base: UnsafeMutableRawPointer) -> RunContext {
    func doubles(_ offset: Int?) -> UnsafeMutablePointer<Double>? {
      offset.map { (base + $0).assumingMemoryBound(to: Double.self) }
    }
    return RunContext(
      arena: base, scratch: base + step.scratchOffset, pool: pool,
      inputSums: UnsafePointer(doubles(step.inputSumsOffset)), outputSums: doubles(step.outputSumsOffset))
  }

  /// Sums a value over H and W that its producer did not sum.
  private func collect(
    _ sums: ExecutionPlan.CollectedSums, of operand: Operand, _ base: UnsafeMutableRawPointer
  ) {
    let context = RunContext(arena: base, scratch: base + sums.scratchOffset, pool: pool)
    let x = operand.image
    ChannelSums(table: kernels, pool: pool).run(
      input: context.pointer(operand), batch: x.batch, pixels: x.height * x.width, channels: x.channels,
      sums: (base + sums.offset).assumingMemoryBound(to: Double.self), scratch: context.scratch)
  }

  private func write(_ tensor: Tensor, _ operand: Operand, _ arena: UnsafeMutableRawPointer) throws {
    let context = RunContext(arena: arena, scratch: arena, pool: pool)
    let source = context.pointer(Operand(constant: tensor))
    let target = context.pointer(operand)
    guard operand.format == .channelsLast, !MemoryFormat.coincide(operand.shape) else {
      target.update(from: source, count: operand.count)
      return
    }
    let x = operand.image
    Layout(table: kernels, pool: pool).channelsLast(
      source, target, batch: x.batch, channels: x.channels, pixels: x.height * x.width)
  }

  private func read(_ operand: Operand, _ arena: TensorStorage) throws -> Tensor {
    if case .constant(let tensor) = operand.location, operand.format == .contiguous { return tensor }
    guard let base = arena.bytes.baseAddress else {
      throw RBNError(.outOfMemory, .system, "the arena has no memory")
    }
    let source = RunContext(arena: base, scratch: base, pool: pool).pointer(operand)
    return try Tensor(shape: operand.shape) { bytes in
      guard let out = bytes.bindMemory(to: Float.self).baseAddress else { return }
      guard operand.format == .channelsLast, !MemoryFormat.coincide(operand.shape) else {
        out.update(from: source, count: operand.count)
        return
      }
      let x = operand.image
      Layout(table: kernels, pool: pool).channelsFirst(
        source, out, batch: x.batch, channels: x.channels, pixels: x.height * x.width)
    }
  }
}

extension Tensor {
  /// The elements in float32, in which everything is computed.
  ///
  /// - Throws: `tensor.unsupported-dtype` for integers that float32 does not hold exactly.
  func computable() throws -> Tensor {
    if !dtype.isFloatingPoint, dtype.byteSize >= 4 {
      let limit = Double(ExactIntegers.limit)
      guard doubles.allSatisfy({ $0.magnitude <= limit }) else {
        throw RBNError(
          .unsupportedDType, .input, "holds integers beyond ±\(ExactIntegers.limit), which are not supported")
      }
    }
    return try converted(to: .float32)
  }
}
