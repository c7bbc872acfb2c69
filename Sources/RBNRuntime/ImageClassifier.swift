import RBNExecution
import RBNGraph

/// Names what images show, by a network with one image input and one vector of class scores as output.
///
///     let model = try Model(contentsOf: "efficientnet-lite0.rbn")
///     let classifier = try ImageClassifier(model: model)
///     let best = try await classifier.classify(imageAt: "cat.jpg", topK: 3)
public struct ImageClassifier: Sendable {
  /// The network.
  public let model: Model
  /// How an image becomes the network's input.
  public let preprocessing: ImagePreprocessing
  /// The names of the classes, by index; nil when neither the model nor the caller has any.
  public let labels: [String]?
  /// The number of classes.
  public let classCount: Int
  /// What images may be decoded.
  public var imageLimits = ImageLimits()

  private let endsInSoftmax: Bool

  /// Makes a classifier.
  ///
  /// - Parameters:
  ///   - model: a network with one image input and one vector of class scores as output.
  ///   - preprocessing: in place of the model's own. One must be there: a wrong guess would give wrong classes.
  ///   - labels: in place of the model's own.
  /// - Throws: `classification.not-a-classifier`, `classification.preprocessing`, `classification.label-count`.
  public init(model: Model, preprocessing: ImagePreprocessing? = nil, labels: [String]? = nil) throws {
    guard let preprocessing = preprocessing ?? model.preprocessing else {
      throw RBNError(
        .preprocessingMismatch, .usage, file: model.file,
        "the model does not say how an image becomes its input",
        advice: "give the one that the network was trained with: --preprocessing torchvision, for one")
    }
    let graph = model.executor.sourceGraph
    do {
      classCount = try Self.classCount(graph, preprocessing: preprocessing, labels: labels ?? model.labels)
    } catch let error as RBNError {
      throw error.inFile(model.file)
    }
    self.model = model
    self.preprocessing = preprocessing
    self.labels = labels ?? model.labels
    endsInSoftmax = graph.endsInSoftmax
  }

  /// Classifies a JPEG or PNG file.
  ///
  /// - Returns: the `topK` likeliest classes, likeliest first.
  /// - Throws: `RBNError` of subject input that names the file; what ``Model/run(_:)-([Tensor])`` throws.
  public func classify(imageAt path: String, topK: Int = 5) async throws -> [Classification] {
    try await classify(topK: topK) { [try RGBImage(contentsOf: path, limits: imageLimits)] }.first ?? []
  }

  /// Classifies a JPEG or PNG in memory, as it came over a network.
  public func classify(encodedImage bytes: [UInt8], topK: Int = 5) async throws -> [Classification] {
    try await classify(topK: topK) { [try RGBImage(encoded: bytes, limits: imageLimits)] }.first ?? []
  }

  /// Classifies a decoded image.
  public func classify(_ image: RGBImage, topK: Int = 5) async throws -> [Classification] {
    try await classify(topK: topK) { [image] }.first ?? []
  }

  /// Classifies several images, in one batch where the network takes any batch size.
  ///
  /// - Returns: for each image the `topK` likeliest classes.
  public func classify(_ images: [RGBImage], topK: Int = 5) async throws -> [[Classification]] {
    try await classify(topK: topK) { images }
  }

  /// Classifies several JPEG or PNG files, in one batch where the network takes any batch size. A file that can't be
  /// used does not keep the others from being classified.
  ///
  /// - Returns: for each file its `topK` likeliest classes, or the error that names it.
  /// - Throws: what ``Model/run(_:)-([Tensor])`` throws.
  public func classify(
    imagesAt paths: [String], topK: Int = 5
  ) async throws -> [Result<[Classification], RBNError>] {
    let classifier = self
    return try await CallQueue.shared.run { call in
      let images = paths.map { path in
        Result { try RGBImage(contentsOf: path, limits: classifier.imageLimits) }
      }
      var rest = try classifier.run(images.compactMap { try? $0.get() }, topK, call)[...]
      return try images.map { image in
        switch image {
        case .success: return .success(rest.popFirst() ?? [])
        case .failure(let error as RBNError): return .failure(error)
        case .failure(let error): throw error
        }
      }
    }
  }

  private func classify(
    topK: Int, images: @escaping @Sendable () throws -> [RGBImage]
  ) async throws -> [[Classification]] {
    let classifier = self
    return try await CallQueue.shared.run { call in try classifier.run(try images(), topK, call) }
  }

  /// Decodes and preprocesses a JPEG or PNG in memory, for callers who run the network themselves, such as with a
  /// ``BatchingPredictor``.
  ///
  /// - Returns: the network's input for the one image, shape (1, C, H, W).
  public func input(forEncodedImage bytes: [UInt8]) async throws -> Tensor {
    let (preprocessing, limits) = (preprocessing, imageLimits)
    return try await CallQueue.shared.run { _ in
      try preprocessing.tensor(for: [try RGBImage(encoded: bytes, limits: limits)])
    }
  }

  /// The likeliest classes by the network's output.
  ///
  /// - Parameter scores: the output that the network gave for N images, shape (N, classes) or (N, classes, 1, 1).
  /// - Returns: for each image the `topK` likeliest classes, likeliest first.
  /// - Throws: `tensor.size-mismatch` for tensors of another shape, `classification.not-finite`.
  public func classifications(of scores: Tensor, topK: Int = 5) throws -> [[Classification]] {
    let rows = try scores.reshaped(to: [scores.shape.first ?? 1, classCount])
    return try Classification.top(topK, of: rows, areProbabilities: endsInSoftmax, labels: labels)
  }

  /// Preprocesses and runs, on the calling thread and those of the package.
  private func run(_ images: [RGBImage], _ topK: Int, _ call: CallQueue.Call) throws -> [[Classification]] {
    if images.isEmpty { return [] }
    let hasFreeBatch = model.inputs.first?.shape.first == .some(nil)
    // Without a crop or squash every image may have another size.
    let takesAll = hasFreeBatch && preprocessing.fixedSize != nil
    return try (takesAll ? [images] : images.map { [$0] }).flatMap { batch in
      let input = try preprocessing.tensor(for: batch)
      let outputs = try model.executor.run([input], isCancelled: { call.isCancelled })
      return try classifications(of: outputs[0], topK: topK)
    }
  }
}

extension Graph {
  /// Whether the first output is a softmax, or a copy or another shape of one.
  fileprivate var endsInSoftmax: Bool {
    let producers = producers
    var value = outputs.first?.value
    while let index = value.flatMap({ producers[$0.index] }) {
      let node = nodes[index]
      if node.op is Softmax { return true }
      guard node.op is Identity || node.op is Reshape || node.op is Flatten else { return false }
      value = node.inputs.first ?? nil
    }
    return false
  }
}

extension Model {
  /// Classifies a JPEG or PNG file by the model's own preprocessing and labels: an ``ImageClassifier`` in one call.
  ///
  /// - Returns: the `topK` likeliest classes, likeliest first.
  /// - Throws: as ``ImageClassifier/init(model:preprocessing:labels:)`` and ``ImageClassifier/classify(imageAt:topK:)``.
  public func predict(imageAt path: String, topK: Int = 5) async throws -> [Classification] {
    try await ImageClassifier(model: self).classify(imageAt: path, topK: topK)
  }

  /// Classifies a JPEG or PNG in memory, as ``predict(imageAt:topK:)`` does a file.
  public func predict(encodedImage bytes: [UInt8], topK: Int = 5) async throws -> [Classification] {
    try await ImageClassifier(model: self).classify(encodedImage: bytes, topK: topK)
  }
}

extension ImageClassifier {
  /// The number of classes of a network, after checks that it is a classifier and that preprocessing and labels fit it.
  static func classCount(
    _ graph: Graph, preprocessing: ImagePreprocessing, labels: [String]?
  ) throws -> Int {
    guard let classes = try checkImages(graph, preprocessing: preprocessing, labels: labels) else {
      throw RBNError(
        .notAClassifier, .model, "the network does not give one score a class, as shape (N, classes)",
        advice: "use rbn run, or Model.run, for networks of other outputs")
    }
    return classes
  }

  /// Checks that the network takes the images that the preprocessing makes, and that the labels fit its classes.
  ///
  /// - Returns: the number of classes; nil when the network is no classifier.
  static func checkImages(
    _ graph: Graph, preprocessing: ImagePreprocessing, labels: [String]?
  ) throws -> Int? {
    try preprocessing.validate()
    guard graph.inputs.count == 1, let input = graph.inputs.first, input.shape.count == 4 else {
      throw RBNError(
        .notAClassifier, .model, "the network does not take one image of shape (N, C, H, W)",
        advice: "use rbn run, or Model.run, for networks of other inputs")
    }
    let size = preprocessing.fixedSize
    let shape = Shape([
      input.shape[0] ?? 1, preprocessing.channels, size?.height ?? input.exampleShape[2],
      size?.width ?? input.exampleShape[3],
    ])
    let types: [TensorType?]
    do {
      types = try graph.inferTypes(inputShapes: [shape])
    } catch let error as RBNError {
      throw RBNError(
        .preprocessingMismatch, .model,
        "the preprocessing gives images of shape \(shape), which the network does not take: \(error.message)",
        advice: "give the preprocessing that the network was trained with")
    }
    guard graph.outputs.count == 1, let type = types[graph.outputs[0].value.index], type.shape.rank >= 2,
      type.shape[0] == shape[0], type.shape.dropFirst(2).allSatisfy({ $0 == 1 })
    else { return nil }
    if let labels, labels.count != type.shape[1] {
      throw RBNError(
        .labelCount, .model, "there are \(labels.count) labels for \(type.shape[1]) classes",
        advice: "give one label a class, in the order of the network's outputs")
    }
    return type.shape[1]
  }
}
