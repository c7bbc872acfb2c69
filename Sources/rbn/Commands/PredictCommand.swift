import ArgumentParser
import RBNRuntime

/// `rbn predict`: what images show.
struct PredictCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Classifies images.",
    discussion: """
      Images are JPEG or PNG files, directories (with their subdirectories), patterns, or - for a list of paths on \
      standard input. An image that can't be used is reported and does not stop the others; the exit status is then 4.

      EXAMPLES
        rbn predict efficientnet-lite0.rbn cat.jpg photos/ --top-k 3
        rbn predict model.rbn 'scans/*.png' --format jsonl --logits > out.jsonl
        rbn predict resnet50.pth cat.jpg --preprocessing torchvision \\
          --labels imagenet_classes.txt
        find . -name '*.jpg' | rbn predict model.rbn - --format csv
      """)

  enum OutputFormat: String, CaseIterable, ExpressibleByArgument {
    case table, json, jsonl, csv
  }

  @Argument(help: "The model: .pth, .pt2 or .rbn.")
  var model: String

  @Argument(help: "Files, directories, patterns, or - for a list on standard input.")
  var images: [String]

  @Option(help: ArgumentHelp("The number of classes to print for an image.", valueName: "n"))
  var topK = 5

  @Option(help: "How results are printed; jsonl and csv line by line, as they come.")
  var format = OutputFormat.table

  @Flag(help: "The same as --format json.")
  var json = false

  @Flag(help: "Print the logits besides the probabilities.")
  var logits = false

  @Flag(help: "Print the index of each class in the table; the other formats always have it.")
  var index = false

  @Option(
    help: ArgumentHelp(
      "The number of images that run together, where the network takes any batch size.", valueName: "n"))
  var batchSize = 1

  @Flag(help: "Decode images that were cut off as far as they go, in place of refusing them.")
  var allowTruncated = false

  @OptionGroup(title: "Images") var imageArguments: ImageArguments
  @OptionGroup(title: "Model") var modelArguments: ModelArguments

  func validate() throws {
    guard topK >= 1 else { throw ValidationError("--top-k must be at least 1.") }
    guard batchSize >= 1, batchSize <= 4096 else {
      throw ValidationError("--batch-size must be between 1 and 4096.")
    }
    guard !images.isEmpty else { throw ValidationError("Name at least one image.") }
  }

  func run() async throws {
    let preprocessing = try imageArguments.readPreprocessing()
    let labels = try imageArguments.readLabels()
    let loaded = try await Model.load(contentsOf: model, options: modelArguments.options)
    var classifier = try ImageClassifier(model: loaded, preprocessing: preprocessing, labels: labels)
    classifier.imageLimits.allowsTruncated = allowTruncated
    let entries = ImagePaths.expand(images)
    guard !entries.isEmpty else {
      throw RBNError(.noImages, .input, "standard input named no images")
    }
    var writer = PredictionWriter(
      format: json ? .json : format, model: model, showsLogits: logits, showsIndex: index)
    var progress = ProgressLine(total: entries.count, unit: "images")
    var hasFailed = false
    var done = 0
    for try await (entry, result) in Predictions(entries, classifier, topK: topK, batchSize: batchSize) {
      if case .failure(let error) = result {
        hasFailed = true
        progress.clear()
        StandardError.report(error)
      }
      // A line on the terminal would be torn by the progress.
      if StandardOutput.isTerminal { progress.clear() }
      try writer.add(entry, result)
      done += 1
      progress.update(done: done)
    }
    progress.clear()
    try writer.finish()
    if hasFailed { throw ExitStatus.input }
  }
}

/// The classifications of many images, in the order of the images, several batches in flight.
private struct Predictions: AsyncSequence {
  typealias Element = (image: String, result: Result<[Classification], RBNError>)

  private let batches: [[ImagePaths.Entry]]
  private let classifier: ImageClassifier
  private let topK: Int

  init(_ entries: [ImagePaths.Entry], _ classifier: ImageClassifier, topK: Int, batchSize: Int) {
    batches = stride(from: 0, to: entries.count, by: batchSize).map {
      Array(entries[$0..<Swift.min($0 + batchSize, entries.count)])
    }
    self.classifier = classifier
    self.topK = topK
  }

  func makeAsyncIterator() -> Iterator { Iterator(batches[...], classifier, topK) }

  /// While one batch computes, the next is decoded.
  struct Iterator: AsyncIteratorProtocol {
    private static let inFlight = 2

    private var rest: ArraySlice<[ImagePaths.Entry]>
    private var tasks: [Task<[Element], any Error>] = []
    private var ready: ArraySlice<Element> = []
    private let classifier: ImageClassifier
    private let topK: Int

    init(_ batches: ArraySlice<[ImagePaths.Entry]>, _ classifier: ImageClassifier, _ topK: Int) {
      rest = batches
      self.classifier = classifier
      self.topK = topK
    }

    mutating func next() async throws -> Element? {
      while ready.isEmpty {
        while tasks.count < Self.inFlight, let batch = rest.popFirst() {
          let (classifier, topK) = (classifier, topK)
          tasks.append(Task { try await Self.classify(batch, classifier, topK) })
        }
        guard !tasks.isEmpty else { return nil }
        ready = try await tasks.removeFirst().value[...]
      }
      return ready.popFirst()
    }

    private static func classify(
      _ batch: [ImagePaths.Entry], _ classifier: ImageClassifier, _ topK: Int
    ) async throws -> [Element] {
      let paths = batch.compactMap { try? $0.get() }
      var results = try await classifier.classify(imagesAt: paths, topK: topK)[...]
      return batch.map { entry in
        switch entry {
        case .success(let path): (path, results.popFirst() ?? .success([]))
        case .failure(let error): (error.file ?? "", .failure(error))
        }
      }
    }
  }
}
