import RBNRuntime

@main
struct Service {
  static func main() async throws {
    let model = try await Model.load(contentsOf: CommandLine.arguments[1])
    let classifier = try ImageClassifier(model: model)
  }
}
