import RBNExecution
import RBNFormats
import RBNGraph

/// A comparison of what a network computes here with what PyTorch computed: whole tensors, outputs and layers.
public struct Verification: Codable, Hashable, Sendable {
  /// The model's file.
  public var model: String
  /// The golden file; nil when the tensors are the bundle's own.
  public var golden: String?
  /// How far elements may be from the expected ones.
  public var tolerance: Tolerance
  /// The layers in the order of execution, then the outputs.
  public var comparisons: [TensorComparison]
  /// Golden layers that the graph has no value for: modules that do nothing in evaluation mode, or whose result is not
  /// the value of their last operation.
  public var uncomparedLayers: [String]

  /// Whether every tensor that was compared is within the tolerance.
  public var passed: Bool { comparisons.allSatisfy(\.passed) }

  /// The first tensor in the order of execution that departs: a module path, or an output when no layer does.
  public var firstDeparture: TensorComparison? { comparisons.first { !$0.passed } }

  /// Runs a model on golden inputs and compares.
  ///
  /// The outputs are those of the network as it is always run, fused; the layers' values come from a second run of the
  /// graph as it was written.
  ///
  /// - Parameters:
  ///   - path: the model, of any format.
  ///   - golden: a `.npz` file with `inputs/<name>`, `outputs/<name>` and, if wanted, `layers/<module path>[#<call>]`;
  ///     nil for the tensors in the bundle.
  ///   - tolerance: how far elements may be from the expected ones.
  ///   - options: how the model is loaded and run.
  /// - Throws: `RBNError`: of subject model or input, naming the file at fault.
  public static func verify(
    modelAt path: String, golden: String? = nil, tolerance: Tolerance = Tolerance(),
    options: ModelOptions = ModelOptions()
  ) async throws -> Verification {
    try tolerance.validate()
    let execution = try options.execution()
    return try await CallQueue.shared.run { call in
      let file = try NetworkFile(contentsOf: path, options: options)
      do {
        return try verify(file, golden, tolerance, execution, isCancelled: { call.isCancelled })
      } catch let error as RBNError {
        throw error.inFile(error.subject == .model ? path : golden ?? path)
      }
    }
  }

  private static func verify(
    _ file: NetworkFile, _ goldenPath: String?, _ tolerance: Tolerance, _ execution: ExecutionOptions,
    isCancelled: () -> Bool
  ) throws -> Verification {
    let golden = try goldenPath.map { try GoldenTensors(contentsOf: $0) } ?? own(file)
    let graph = file.graph
    let inputs = try golden.orderedInputs(graph)
    let expected = try golden.orderedOutputs(graph)
    let outputs = try NetworkExecutor(graph: graph, options: execution).run(inputs, isCancelled: isCancelled)

    var comparisons: [TensorComparison] = []
    var uncompared: [String] = []
    if !golden.layers.isEmpty {
      let values = try NetworkExecutor.runObserving(graph: graph, options: execution, inputs).values
      (comparisons, uncompared) = try compare(golden.layers, values, tolerance)
    }
    for (index, output) in graph.outputs.enumerated() {
      guard outputs[index].shape == expected[index].shape else {
        throw RBNError(
          .goldenShape, .input, location: "outputs/\(output.name)",
          "has shape \(expected[index].shape), and the network gives \(outputs[index].shape)")
      }
      comparisons.append(
        TensorComparison(
          name: output.name, kind: .output, actual: outputs[index], expected: expected[index],
          tolerance: tolerance))
    }
    return Verification(
      model: file.path, golden: goldenPath, tolerance: tolerance, comparisons: comparisons,
      uncomparedLayers: uncompared)
  }

  private static func own(_ file: NetworkFile) throws -> GoldenTensors {
    guard !file.golden.isEmpty else {
      throw RBNError(
        .goldenIncomplete, .input, file: file.path, "has no golden tensors of its own",
        advice: "name a golden .npz file; tools/export.py writes them")
    }
    return try GoldenTensors(file.golden)
  }

  private static func compare(
    _ layers: [GoldenTensors.Named], _ values: [NetworkExecutor.ObservedValue], _ tolerance: Tolerance
  ) throws -> ([TensorComparison], [String]) {
    let index = LayerIndex(
      values.map(\.module), calledAgain: Set(layers.map(\.name).filter { $0.contains("#") }))
    var found: [(step: Int, comparison: TensorComparison)] = []
    var uncompared: [String] = []
    for (name, tensor) in layers {
      guard let step = index.lastStep(of: name), values[step].tensor.shape == tensor.shape else {
        uncompared.append(name)
        continue
      }
      let comparison = TensorComparison(
        name: name, kind: .layer, actual: values[step].tensor, expected: tensor, tolerance: tolerance)
      found.append((step, comparison))
    }
    // Of modules that end with the same step the innermost comes first.
    let sorted = found.sorted {
      $0.step != $1.step ? $0.step < $1.step : $0.comparison.name.utf8.count > $1.comparison.name.utf8.count
    }
    return (sorted.map(\.comparison), uncompared)
  }
}

/// Which step of a run gives the value of which module.
private struct LayerIndex {
  private var last: [String: Int] = [:]

  /// - Parameter calledAgain: names of further calls, `layer1#1`. A module that is called again has no value by its
  ///   submodules' steps, since these don't say in which of its calls they ran.
  init(_ modules: [ModuleCall], calledAgain: Set<String>) {
    for (step, module) in modules.enumerated() {
      last[module.description] = step
      var path = Substring(module.path)
      while let dot = path.lastIndex(of: ".") {
        path = path[..<dot]
        if !calledAgain.contains("\(path)#1") { last[String(path)] = step }
      }
    }
  }

  func lastStep(of name: String) -> Int? { last[name] }
}
