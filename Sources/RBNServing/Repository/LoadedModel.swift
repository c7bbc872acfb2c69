#if Serving
import Logging
import Metrics
import RBNRuntime

/// A model that answers requests. Requests hold it while they run, so that another can take its place meanwhile.
final class LoadedModel: Sendable {
  let key: ModelKey
  /// What it gives: found out once, for clients that ask again and again.
  let outputs: [TensorDescription]
  let predictor: BatchingPredictor
  /// Nil for networks that don't classify images, or whose file doesn't say how an image becomes the input.
  let classifier: ImageClassifier?
  /// Why there is no classifier.
  let classifierProblem: String?

  var model: Model { predictor.model }

  /// Loads a model file and prepares it for batches.
  ///
  /// - Throws: as `Model.init(contentsOf:)`.
  init(
    _ entry: ModelFolder.Entry, _ configuration: ServerConfiguration, logger: Logger,
    metrics: any MetricsFactory
  ) async throws {
    key = entry.key
    let model = try await Model.load(contentsOf: entry.path, options: configuration.modelOptions)
    outputs = model.outputDescriptions
    var batching = configuration.batching
    batching.name = entry.key.name
    batching.version = entry.key.version
    batching.logger = logger
    batching.metricsFactory = metrics
    predictor = try await BatchingPredictor(model: model, configuration: batching)
    do {
      classifier = try ImageClassifier(model: model)
      classifierProblem = nil
    } catch {
      classifier = nil
      classifierProblem = ServingError(error).message
    }
  }

  deinit { FreedMemory.giveBack(after: .seconds(1)) }
}
#endif
