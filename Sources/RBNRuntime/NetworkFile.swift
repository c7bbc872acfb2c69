import RBNFormats
import RBNGraph

/// All that a file says about a network.
package struct NetworkFile: Sendable {
  package var path: String
  package var format: ModelFormat
  package var graph: Graph
  /// The tensors as the file holds them, in its order; some may not be read by the graph.
  package var stateDict: [(key: String, tensor: Tensor)]
  /// The name of the architecture that a checkpoint was built with.
  package var architecture: String?
  package var preprocessing: ImagePreprocessing?
  package var labels: [String]?
  package var golden: [(name: String, tensor: Tensor)] = []
  package var producer: [(key: String, value: String)] = []
  package var provenance: [(key: String, value: String)] = []
  /// The SHA-256 digest of a bundle's manifest, which covers all of its entries.
  package var identity: String?

  /// Reads a file of any kind.
  ///
  /// - Throws: `RBNError`s that name the file, and the entry, key or op in it.
  package init(contentsOf path: String, options: ModelOptions = ModelOptions()) throws {
    do {
      switch try ModelFormat(path: path) {
      case .checkpoint: self = try Self.checkpoint(path, options)
      case .exportedProgram: self = try Self.exportedProgram(path, options)
      case .bundle: self = try Self.bundle(path, options)
      }
    } catch let error as RBNError {
      throw error.subject == .usage ? error : error.inFile(path)
    }
  }

  init(path: String, format: ModelFormat, graph: Graph, stateDict: [(key: String, tensor: Tensor)]) {
    self.path = path
    self.format = format
    self.graph = graph
    self.stateDict = stateDict
  }

  /// The graph, of which nothing but it holds the tensors any more.
  mutating func takeGraph() -> Graph {
    stateDict = []
    defer { graph = Graph() }
    return graph
  }

  private static func checkpoint(_ path: String, _ options: ModelOptions) throws -> NetworkFile {
    let state = try Checkpoint.readStateDict(from: path, stateDictKey: options.stateDictKey)
    let tensors = state.entries.map { (key: $0.key, tensor: $0.tensor) }
    let name = try options.architecture ?? Architectures.recognise(tensors.map { ($0.key, $0.tensor.shape) })
    let graph = try Architectures.build(architecture: name, from: tensors)
    var file = NetworkFile(path: path, format: .checkpoint, graph: graph, stateDict: tensors)
    file.architecture = name
    if !state.path.isEmpty { file.provenance.append(("state_dict_key", state.path)) }
    return file
  }

  private static func exportedProgram(_ path: String, _ options: ModelOptions) throws -> NetworkFile {
    try refuse(options.architecture, "an architecture", "an exported program")
    try refuse(options.stateDictKey, "a state-dict key", "an exported program")
    let program = try ExportedProgram(contentsOf: path)
    var file = NetworkFile(
      path: path, format: .exportedProgram, graph: try ExportedProgramImporter.graph(from: program),
      stateDict: program.weights + program.constants)
    file.producer.append(("torch", program.torchVersion))
    return file
  }

  private static func bundle(_ path: String, _ options: ModelOptions) throws -> NetworkFile {
    try refuse(options.architecture, "an architecture", "a bundle")
    try refuse(options.stateDictKey, "a state-dict key", "a bundle")
    let bundle = try ModelBundle.read(from: path)
    let parameters = Dictionary(bundle.weights.map { ($0.key, $0.tensor) }) { first, _ in first }
    let graph = try GraphCoding.decode(bundle.graph, parameters: parameters)
    try checkInterface(bundle.manifest, of: graph)
    var file = NetworkFile(path: path, format: .bundle, graph: graph, stateDict: bundle.weights)
    file.preprocessing = try bundle.preprocessing.map {
      try ImagePreprocessing(JSONNode($0, document: "manifest.json: preprocessing"))
    }
    file.labels = bundle.labels
    file.golden = bundle.golden
    file.producer = bundle.manifest.producer
    file.provenance = bundle.manifest.provenance
    file.identity = bundle.identity
    return file
  }

  /// The manifest repeats what the graph takes and gives, for readers that look no further.
  private static func checkInterface(_ manifest: BundleManifest, of graph: Graph) throws {
    let inputs = graph.inputs.map { BundleManifest.Input(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
    guard manifest.inputs == inputs, manifest.outputs == graph.outputs.map(\.name) else {
      throw RBNError(
        .malformedBundle, .model, location: "manifest.json",
        "says that the network takes \(manifest.inputs.map(\.name).prefix(8)) and gives "
          + "\(manifest.outputs.prefix(8)), and graph.json says otherwise, or gives other sizes")
    }
  }

  private static func refuse(_ option: String?, _ what: String, _ kind: String) throws {
    guard option != nil else { return }
    throw RBNError(
      .invalidOption, .usage, "\(what) was given for \(kind), which has its own graph",
      advice: "leave the option out; it is for checkpoints of torch.save")
  }
}
