import RBNRuntime

@main
struct Service {
  static func main() async throws {
    let model = try await Model.load(contentsOf: CommandLine.arguments[1])
    let classifier = try ImageClassifier(model: model)

    var configuration = BatchingPredictor.Configuration()
    configuration.largestBatch = 8
    configuration.queueLimit = 64
    let predictor = try await BatchingPredictor(model: model, configuration: configuration)
  }
}
