import Foundation
import Testing

// The snippet of the README, between the markers below, compiled as it stands there.
// snippet
import RBNRuntime

private func classifyAPhotograph() async throws -> [Classification] {
  var found: [Classification] = []
  func print(_ identifier: String, _ confidence: Float) {
    found.append(Classification(index: 0, identifier: identifier, confidence: confidence, logit: nil))
  }
  // snippet
  let model = try Model(contentsOf: "fixtures/efficientnet-lite0/efficientnet-lite0.rbn")
  let classifier = try ImageClassifier(model: model)
  for classification in try await classifier.classify(imageAt: "fixtures/photos/chelsea.jpg", topK: 3) {
    print(classification.identifier, classification.confidence)
  }
  // end
  return found
}

@Suite struct ReadmeTests {
  @Test func theSnippetIsTheOneThatIsRunHere() throws {
    let readme = try String(contentsOf: Fixtures.root.appendingPathComponent("README.md"), encoding: .utf8)
    let source = try String(contentsOfFile: #filePath, encoding: .utf8)
    let start = try #require(source.range(of: "  // snippet\n  let"))
    let end = try #require(source.range(of: "  // end\n", range: start.upperBound..<source.endIndex))
    let body = source[source.index(start.lowerBound, offsetBy: 13)..<end.lowerBound]
    let snippet = body.split(separator: "\n").map { $0.dropFirst(2) }.joined(separator: "\n")
    #expect(readme.contains("```swift\nimport RBNRuntime\n\n\(snippet)\n```"))
  }

  /// The paths of the snippet are relative to the package.
  @Test(
    .enabled(
      if: FileManager.default.currentDirectoryPath == Fixtures.root.path, "not run in the package's folder"))
  func theSnippetFindsTheCat() async throws {
    let found = try await classifyAPhotograph()
    #expect(found.map(\.identifier) == ["tiger cat", "Egyptian cat", "tabby"])
    #expect(found.allSatisfy { $0.confidence > 0.1 })
  }
}
