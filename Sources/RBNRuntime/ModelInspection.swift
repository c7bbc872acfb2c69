import RBNExecution
import RBNFormats
import RBNGraph

/// What a file holds, for people who look at it: tensors, interface, layers, and the plan that would run.
public struct ModelInspection: Codable, Hashable, Sendable {
  /// A tensor of the state dict.
  public struct TensorEntry: Codable, Hashable, Sendable {
    /// The name in the state dict, without the prefixes of wrappers.
    public var key: String
    /// The type of the elements in the file.
    public var dtype: DType
    /// The sizes of the dimensions.
    public var shape: [Int]
  }

  /// An operation of the graph as it was written.
  public struct Layer: Codable, Hashable, Sendable {
    /// Unique among the layers.
    public var name: String
    /// The names of the layers and network inputs whose results it reads, in order; without parameters.
    public var inputs: [String]
    /// The path in the PyTorch module tree, with `#1` for the module's second call.
    public var module: String
    /// The ATen overload.
    public var op: String
    /// For ``Network/exampleShapes``.
    public var outputShape: [Int]
    /// The number of elements of the parameters that it reads.
    public var parameterCount: Int
    /// The multiplications and additions in pairs, for ``Network/exampleShapes``; convolutions and fully connected
    /// layers only.
    public var multiplyAdds: Int
  }

  /// An operation of the plan: what is left after the passes.
  public struct Step: Codable, Hashable, Sendable {
    /// Unique among the steps.
    public var name: String
    /// The names of the steps and network inputs whose results it reads, in order; without parameters.
    public var inputs: [String]
    /// The path in the PyTorch module tree, with `#1` for the module's second call.
    public var module: String
    /// The ATen overload, or `fused.…` for what only passes make.
    public var op: String
    /// What else happens in it: the per-instance affine map of an RBN, the residual, the activation.
    public var fused: [String]
    /// The kernel that was chosen, and for an RBN where its mean comes from.
    public var kernel: String
    /// For ``Network/exampleShapes``.
    public var outputShape: [Int]
    /// Whether the output is the input's memory, and nothing runs.
    public var isAlias: Bool
  }

  /// What is known when there is a graph.
  public struct Network: Codable, Hashable, Sendable {
    /// For networks from checkpoints.
    public var architecture: String?
    /// The tensors that the network takes, in order.
    public var inputs: [TensorDescription]
    /// The names of the tensors that the network gives, in order.
    public var outputs: [String]
    /// For each output the name of the layer that gives it.
    public var outputLayers: [String]
    /// For each output the name of the step that gives it.
    public var outputSteps: [String]
    /// The shapes that layers and plan are shown for: the exporter's example, or the architecture's usual size; one image
    /// where the batch size is free.
    public var exampleShapes: [[Int]]
    /// Whether the file says how an image becomes the input.
    public var hasPreprocessing: Bool
    /// The number of labels in the file; 0 when there are none.
    public var labelCount: Int
    /// The names of the golden tensors in the file.
    public var goldenTensors: [String]
    /// The graph as it was written, in order.
    public var layers: [Layer]
    /// The plan, in order.
    public var steps: [Step]
    /// The memory of the activations of one call, in bytes.
    public var arenaByteCount: Int
    /// The kernels' instruction set.
    public var instructionSet: String
    /// The sum over ``layers``.
    public var multiplyAdds: Int
    /// The calls of Representative BatchNorm layers that the plan runs as one operation each, in whatever spelling the
    /// graph has them.
    public var representativeBatchNormCount: Int
    /// What looks like Representative BatchNorm and runs as it is written, operation by operation, and why.
    public var representativeBatchNormNearMisses: [NearMiss]
  }

  /// A place in the network that looks like a Representative BatchNorm and is not run as one operation.
  public struct NearMiss: Codable, Hashable, Sendable {
    /// The name of the layer that applies a gate or an offset, or that normalises, in ``Network/layers``.
    public var layer: String
    /// The path in the PyTorch module tree, with `#1` for the module's second call.
    public var module: String
    /// What keeps it from being one, in a few words.
    public var reason: String
  }

  /// The file, as the caller named it.
  public var file: String
  /// The kind of the file.
  public var format: ModelFormat
  /// The state dict, in the file's order.
  public var tensors: [TensorEntry]
  /// The number of elements of the state dict.
  public var parameterCount: Int
  /// The size of the state dict in the file's dtypes, in bytes.
  public var weightByteCount: Int
  /// What wrote the file: names and versions, where it says so.
  public var producer: [String: String]
  /// Where the model came from, where it says so.
  public var provenance: [String: String]
  /// The SHA-256 digest of a bundle's manifest, which covers all of its entries.
  public var identity: String?
  /// Nil for a checkpoint of no known architecture.
  public var network: Network?
  /// Why there is no network.
  public var networkProblem: String?

  /// Looks at a file.
  ///
  /// A checkpoint whose architecture is not known is no error here: its tensors are listed.
  ///
  /// - Throws: as ``Model/init(contentsOf:options:)``.
  public static func inspect(
    contentsOf path: String, options: ModelOptions = ModelOptions()
  ) async throws -> ModelInspection {
    let execution = try options.execution()
    return try await CallQueue.shared.run { _ in
      let file: NetworkFile
      do {
        file = try NetworkFile(contentsOf: path, options: options)
      } catch let error as RBNError where error.code == .unrecognisedArchitecture {
        return try ModelInspection(checkpoint: path, options, problem: error)
      }
      do {
        return try ModelInspection(file, execution)
      } catch let error as RBNError {
        throw error.inFile(path)
      }
    }
  }

  private init(checkpoint path: String, _ options: ModelOptions, problem: RBNError) throws {
    let state = try Checkpoint.readStateDict(from: path, stateDictKey: options.stateDictKey)
    self.init(path, .checkpoint, state.entries.map { ($0.key, $0.tensor) })
    var problem = problem
    problem.file = nil
    networkProblem = problem.description
  }

  private init(_ file: NetworkFile, _ execution: ExecutionOptions) throws {
    self.init(file.path, file.format, file.stateDict)
    producer = Dictionary(file.producer.map { ($0.key, $0.value) }) { first, _ in first }
    provenance = Dictionary(file.provenance.map { ($0.key, $0.value) }) { first, _ in first }
    identity = file.identity
    network = try Network(file, execution)
  }

  private init(_ path: String, _ format: ModelFormat, _ stateDict: [(key: String, tensor: Tensor)]) {
    file = path
    self.format = format
    tensors = stateDict.map {
      TensorEntry(key: $0.key, dtype: $0.tensor.dtype, shape: $0.tensor.shape.dimensions)
    }
    parameterCount = stateDict.reduce(0) { $0 + $1.tensor.count }
    weightByteCount = stateDict.reduce(0) { $0 + $1.tensor.byteCount }
    producer = [:]
    provenance = [:]
  }
}

extension ModelInspection.Network {
  init(_ file: NetworkFile, _ execution: ExecutionOptions) throws {
    let graph = file.graph
    // Exporters want a batch of at least 2 where its size is to be free; one image is what people think of.
    let shapes = graph.inputs.map { input in
      input.shape.first == .some(nil) ? Shape([1] + input.exampleShape.dropFirst()) : input.exampleShape
    }
    let executor = try NetworkExecutor(graph: graph, options: execution)
    let plan = try executor.plan(for: shapes)
    architecture = file.architecture
    inputs = graph.inputs.map { TensorDescription(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
    outputs = graph.outputs.map(\.name)
    exampleShapes = shapes.map(\.dimensions)
    hasPreprocessing = file.preprocessing != nil
    labelCount = file.labels?.count ?? 0
    goldenTensors = file.golden.map(\.name)
    let layerSources = Sources(graph)
    layers = try Self.layers(graph, shapes, layerSources)
    outputLayers = graph.outputs.map { layerSources.name(of: $0.value) }
    let nodes = Dictionary(executor.graph.nodes.map { ($0.name, $0) }) { first, _ in first }
    let stepSources = Sources(executor.graph)
    outputSteps = executor.graph.outputs.map { stepSources.name(of: $0.value) }
    steps = plan.steps.map { step in
      ModelInspection.Step(
        name: step.name, inputs: nodes[step.name].map { stepSources.names(of: $0) } ?? [],
        module: step.module.description, op: step.op.name, fused: Self.fused(step),
        kernel: step.compiled.kernel, outputShape: step.output.shape.dimensions, isAlias: step.isAlias)
    }
    arenaByteCount = plan.arenaByteCount
    instructionSet = (execution.instructionSet ?? .best).rawValue
    multiplyAdds = layers.reduce(0) { sum, layer in
      let (total, overflow) = sum.addingReportingOverflow(layer.multiplyAdds)
      return overflow ? .max : total
    }
    // What is centred in place for another reader is a second operation of the same call.
    let norms = plan.steps.filter { step in
      let affine = step.op as? InstanceAffine ?? (step.op as? FusedConv2d)?.affine
      return affine?.hasMean ?? (step.op is RepresentativeBatchNorm)
    }
    representativeBatchNormNearMisses = try PassPipeline.nearMisses(in: graph).map {
      ModelInspection.NearMiss(layer: $0.node, module: $0.module.description, reason: $0.reason)
    }
    representativeBatchNormCount =
      Set(norms.map(\.module).filter { !$0.path.isEmpty }).count + norms.count { $0.module.path.isEmpty }
  }

  private static func layers(
    _ graph: Graph, _ shapes: [Shape], _ sources: Sources
  ) throws -> [ModelInspection.Layer] {
    let types = try graph.inferTypes(inputShapes: shapes)
    return graph.nodes.map { node in
      let output = node.outputs.first.flatMap { types[$0.index]?.shape } ?? []
      let weights = node.inputs.compactMap { graph.tensor(of: $0) }
      return ModelInspection.Layer(
        name: node.name, inputs: sources.names(of: node), module: node.module.description, op: node.op.name,
        outputShape: output.dimensions, parameterCount: weights.reduce(0) { $0 + $1.count },
        multiplyAdds: graph.multiplyAdds(node, output: output))
    }
  }

  private static func fused(_ step: ExecutionPlan.Step) -> [String] {
    let (activation, residualIndex): (Unary.Function?, Int) =
      switch step.op {
      case let op as FusedConv2d: (op.activation, 3)
      case let op as InstanceAffine: (op.activation, 2)
      default: (nil, .max)
      }
    var parts: [String] = []
    if let affine = (step.op as? FusedConv2d)?.affine { parts.append(affine.hasMean ? "rbn" : "affine") }
    if residualIndex < step.inputs.count, step.inputs[residualIndex] != nil { parts.append("residual") }
    if let activation { parts.append(Unary(activation).name) }
    return parts
  }
}

/// The names of what gives a graph's values.
private struct Sources {
  private let graph: Graph
  private let producers: [Int?]

  /// - Complexity: O(values + nodes).
  init(_ graph: Graph) {
    self.graph = graph
    producers = graph.producers
  }

  /// The node or network input that gives a value; the key of a parameter.
  func name(of value: Graph.ValueID) -> String {
    producers[value.index].map { graph.nodes[$0].name } ?? graph[value].name
  }

  /// The nodes and network inputs that a node reads.
  func names(of node: Graph.Node) -> [String] {
    node.inputs.compactMap { input in
      guard let input, !graph.isParameter(input) else { return nil }
      return name(of: input)
    }
  }
}
