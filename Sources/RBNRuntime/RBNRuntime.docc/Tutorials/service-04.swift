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

  static func classify(
    _ photo: [UInt8], _ classifier: ImageClassifier, _ predictor: BatchingPredictor
  ) async throws -> [Classification] {
    let input = try await classifier.input(forEncodedImage: photo)
    let scores = try await predictor.predict(input, deadline: .now + .seconds(2))
    return try classifier.classifications(of: scores, topK: 3).first ?? []
  }
}
