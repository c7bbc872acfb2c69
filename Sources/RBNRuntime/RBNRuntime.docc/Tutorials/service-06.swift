import Hummingbird
import Logging
import RBNRuntime
import ServiceLifecycle

@main
struct Service {
  static func main() async throws {
    let model = try await Model.load(contentsOf: CommandLine.arguments[1])
    let classifier = try ImageClassifier(model: model)

    var configuration = BatchingPredictor.Configuration()
    configuration.largestBatch = 8
    configuration.queueLimit = 64
    let predictor = try await BatchingPredictor(model: model, configuration: configuration)

    let router = Router()
    router.post("classify") { request, _ in
      let body = try await request.body.collect(upTo: 16 << 20)
      do {
        let classes = try await classify(Array(body.readableBytesView), classifier, predictor)
        return classes.map { "\($0.identifier) \($0.confidence)\n" }.joined()
      } catch let error as RBNError {
        throw HTTPError(status(of: error), message: error.message)
      }
    }

    let logger = Logger(label: "photo-service")
    let application = Application(router: router, logger: logger)
    let group = ServiceGroup(
      services: [predictor, application], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    try await group.run()
  }

  static func classify(
    _ photo: [UInt8], _ classifier: ImageClassifier, _ predictor: BatchingPredictor
  ) async throws -> [Classification] {
    let input = try await classifier.input(forEncodedImage: photo)
    let scores = try await predictor.predict(input, deadline: .now + .seconds(2))
    return try classifier.classifications(of: scores, topK: 3).first ?? []
  }

  static func status(of error: RBNError) -> HTTPResponse.Status {
    switch error.code {
    case .queueFull, .deadlineExceeded, .predictorClosed: .serviceUnavailable
    default: error.subject == .input ? .badRequest : .internalServerError
    }
  }
}
