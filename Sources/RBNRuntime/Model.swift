import RBNExecution
import RBNFormats
import RBNGraph

/// A network in evaluation mode, ready to run.
///
/// A model never changes and may be shared between all tasks; calls may overlap, and each works in memory of its own.
/// The computation happens on the package's threads, never on Swift's cooperative ones. Results don't depend on the
/// number of threads.
public struct Model: Sendable {
  /// The file that the model was loaded from, as the caller named it.
  public let file: String
  /// The kind of that file.
  public let format: ModelFormat
  /// The tensors that the network takes, in the order of ``run(_:)-([Tensor])``.
  public let inputs: [TensorDescription]
  /// The names of the tensors that the network gives, in order.
  public let outputs: [String]
  /// The tensors that the network gives, in order; sizes that depend on the inputs' free ones are nil.
  ///
  /// - Complexity: the inference of the network's types, once and for each free axis; keep the result.
  public var outputDescriptions: [TensorDescription] { TensorDescription.outputs(of: executor.sourceGraph) }
  /// How an image becomes the input, where the file says so.
  public let preprocessing: ImagePreprocessing?
  /// The names of the classes, where the file has them.
  public let labels: [String]?
  /// The architecture, for models loaded from a bare checkpoint.
  public let architecture: String?
  /// Where the model came from, in free words, where the file says so.
  public let provenance: [String: String]

  let executor: NetworkExecutor

  /// Loads a checkpoint (`.pth`), an exported program (`.pt2`) or a bundle (`.rbn`), and prepares it for running.
  ///
  /// Nothing in the file is executed. This reads the file and packs the weights on the calling thread; in a service
  /// ``load(contentsOf:options:)`` does so elsewhere.
  ///
  /// - Throws: `RBNError`: of subject model, naming the file and the entry, key or op at fault; of subject
  ///   usage for options that don't fit the file.
  public init(contentsOf path: String, options: ModelOptions = ModelOptions()) throws {
    let execution = try options.execution()
    try self.init(NetworkFile(contentsOf: path, options: options), execution)
  }

  /// Loads a model as ``init(contentsOf:options:)`` does, without blocking the calling task's thread.
  public static func load(contentsOf path: String, options: ModelOptions = ModelOptions()) async throws
    -> Model
  {
    try await CallQueue.shared.run { _ in try Model(contentsOf: path, options: options) }
  }

  /// Takes over what a file says: the file's tensors go when they have been packed.
  package init(_ file: consuming NetworkFile, _ execution: ExecutionOptions) throws {
    let graph = file.takeGraph()
    self.file = file.path
    format = file.format
    inputs = graph.inputs.map { TensorDescription(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
    outputs = graph.outputs.map(\.name)
    preprocessing = file.preprocessing
    labels = file.labels
    architecture = file.architecture
    provenance = Dictionary(file.provenance.map { ($0.key, $0.value) }) { first, _ in first }
    do {
      executor = try NetworkExecutor(graph: consume graph, options: execution)
    } catch let error as RBNError {
      throw error.subject == .usage ? error : error.inFile(self.file)
    }
  }

  /// Runs the network.
  ///
  /// - Parameter inputs: a tensor for each of ``inputs``: of any floating-point type where that is floating-point, else
  ///   of integers or booleans.
  /// - Returns: a tensor for each of ``outputs``, of the dtype in ``outputDescriptions``.
  /// - Throws: `graph.shape-mismatch` for shapes that the network does not take, `tensor.unsupported-dtype`,
  ///   `execution.memory-limit`; `CancellationError` when the task is cancelled before the last operation began.
  public func run(_ inputs: [Tensor]) async throws -> [Tensor] {
    let executor = executor
    return try await CallQueue.shared.run { call in
      try executor.run(inputs, isCancelled: { call.isCancelled })
    }
  }

  /// Runs a network with named inputs, and gives its outputs by name.
  ///
  /// - Throws: as ``run(_:)-([Tensor])``; `model.input-names` when the names are not those of ``inputs``.
  public func run(_ inputs: [String: Tensor]) async throws -> [String: Tensor] {
    let results = try await run(try ordered(inputs))
    return Dictionary(zip(outputs, results)) { first, _ in first }
  }

  /// Runs a network that takes one tensor and gives one.
  ///
  /// - Throws: as ``run(_:)-([Tensor])``; `model.not-single` for a network with more inputs or outputs.
  public func run(_ input: Tensor) async throws -> Tensor {
    let results = try await run([input])
    guard results.count == 1, let result = results.first else { throw notSingle() }
    return result
  }

  func notSingle() -> RBNError {
    RBNError(
      .notSingle, .usage, file: file,
      "the network gives \(outputs.count) tensors: \(outputs.joined(separator: ", "))",
      advice: "call run with an array")
  }

  /// Checks tensors against ``inputs``, as far as their descriptions go.
  ///
  /// - Throws: `graph.shape-mismatch`, `tensor.unsupported-dtype`.
  func check(_ tensors: [Tensor]) throws {
    let expected = executor.sourceGraph.inputs
    guard tensors.count == expected.count else {
      throw RBNError(
        .shapeMismatch, .input, "the network has \(expected.count) inputs, \(tensors.count) were given")
    }
    for (tensor, input) in zip(tensors, expected) {
      try input.check(tensor.shape)
      try input.check(tensor.dtype)
      guard tensor.shape.first == tensors.first?.shape.first || input.shape.first != .some(nil) else {
        throw RBNError(
          .shapeMismatch, .input, location: "input \(input.name)",
          "the inputs have different batch sizes, such as \(tensor.shape) and \(tensors[0].shape)")
      }
    }
  }

  /// Named tensors in the order of ``inputs``.
  package func ordered(_ tensors: [String: Tensor]) throws -> [Tensor] {
    let names = inputs.map(\.name)
    guard Set(names) == Set(tensors.keys) else {
      throw RBNError(
        .inputNames, .input,
        "the network takes \(names.joined(separator: ", ")), and was given \(tensors.keys.sorted().joined(separator: ", "))",
        advice: "give each input once, by its name")
    }
    return names.compactMap { tensors[$0] }
  }

  /// The names of the networks that a bare checkpoint can be loaded as.
  public static var architectureNames: [String] { Architectures.names }

  /// The operators that a graph may have, by ATen overload.
  public static var operatorNames: [String] { OperatorTable.names }
}

extension RBNError.Code {
  /// Tensors given under other names than the network's inputs have.
  public static let inputNames = Self("model.input-names")
  /// A network of several outputs where one is needed.
  public static let notSingle = Self("model.not-single")
}
