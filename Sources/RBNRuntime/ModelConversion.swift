import RBNFormats
import RBNGraph

/// The making of a bundle (`.rbn`) out of a model of any format.
///
/// A bundle holds the weights, the graph and what else a run needs, so that it can be used without the options, label
/// and preprocessing files that the original took.
public struct ModelConversion: Sendable {
  /// How an image becomes the input; nil to keep what the model has.
  public var preprocessing: ImagePreprocessing?
  /// The names of the classes; nil to keep what the model has.
  public var labels: [String]?
  /// A golden `.npz` file to put into the bundle; nil to keep what the model has.
  public var goldenPath: String?
  /// How weights are stored: float32, or float16 or bfloat16 for about half the size. Biases, running statistics and
  /// the calibration weights of RBN stay float32.
  public var weightDType = DType.float32
  /// Where the model came from, in free words; added to what the model says.
  public var provenance: [String: String] = [:]

  /// A conversion that keeps everything as it is.
  public init() {}

  /// Reads a model and writes it as a bundle, which appears complete or not at all.
  ///
  /// - Throws: what ``Model/init(contentsOf:options:)`` throws; `classification.…` when preprocessing or labels don't
  ///   fit the network, `golden.…` when the golden tensors don't; `bundle.weight-overflow` when float16 can't hold a
  ///   weight; `file.unwritable`.
  public func convert(
    modelAt path: String, to output: String, options: ModelOptions = ModelOptions()
  ) async throws {
    let conversion = self
    try await CallQueue.shared.run { _ in
      let file = try NetworkFile(contentsOf: path, options: options)
      do {
        try conversion.bundle(of: file).write(to: output, storingWeightsAs: conversion.weightDType)
      } catch let error as RBNError {
        throw error.subject == .usage ? error : error.inFile(path)
      }
    }
  }

  func bundle(of file: NetworkFile) throws -> ModelBundle {
    let preprocessing = preprocessing ?? file.preprocessing
    let labels = labels ?? file.labels
    if let preprocessing {
      _ = try ImageClassifier.checkImages(file.graph, preprocessing: preprocessing, labels: labels)
    }
    var manifest = BundleManifest()
    manifest.producer = [("name", "swift-rbn"), ("version", RBNVersion.current)]
    manifest.producer += file.producer.filter { $0.key != "name" && $0.key != "version" }
    manifest.inputs = file.graph.inputs.map { .init(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
    manifest.outputs = file.graph.outputs.map(\.name)
    manifest.preprocessing = preprocessing?.jsonValue
    manifest.provenance = file.provenance.filter { provenance[$0.key] == nil }
    manifest.provenance += provenance.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    return ModelBundle(
      manifest: manifest, graph: try GraphCoding.encode(file.graph), weights: weights(of: file),
      labels: labels,
      golden: try golden(for: file))
  }

  /// The state dict, in its order, as the graph reads it; then the parameters that the graph reads under other keys.
  private func weights(of file: NetworkFile) -> [(key: String, tensor: Tensor)] {
    let parameters = file.graph.parameters
    let keys = Set(file.stateDict.map(\.key))
    return file.stateDict.map { ($0.key, parameters[$0.key] ?? $0.tensor) }
      + parameters.filter { !keys.contains($0.key) }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  private func golden(for file: NetworkFile) throws -> [(name: String, tensor: Tensor)] {
    guard let goldenPath else { return file.golden }
    do {
      let tensors = try NumPy.readArchive(goldenPath)
      let golden = try GoldenTensors(tensors)
      _ = try golden.orderedInputs(file.graph)
      _ = try golden.orderedOutputs(file.graph)
      return tensors
    } catch let error as RBNError {
      throw error.inFile(goldenPath)
    }
  }
}
