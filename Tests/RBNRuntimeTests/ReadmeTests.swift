import Foundation
import Testing

// The snippets of README.md and of the articles, between the markers, compiled as they stand there.
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

private func useAnotherNetwork(_ names: [String]) throws {
  // snippet GettingStarted
  var options = ModelOptions()
  options.stateDictKey = "ema"  // only where a training checkpoint holds more than one state dict
  let model = try Model(contentsOf: "checkpoint.pth", options: options)
  let classifier = try ImageClassifier(model: model, preprocessing: .torchvision, labels: names)
  // end
  _ = classifier
}

private func runTensors(_ model: Model, _ pixels: [Float]) async throws {
  // snippet GettingStarted
  let input = try Tensor(shape: [1, 3, 224, 224], scalars: pixels)
  let output = try await model.run(input)
  print(output.shape, output.floats.max() ?? 0)
  // end
}

private func classifyFiles() async throws {
  // snippet GettingStarted
  let model = try await Model.load(contentsOf: "efficientnet-lite0.rbn")
  let classifier = try ImageClassifier(model: model)
  for path in CommandLine.arguments.dropFirst() {
    let best = try await classifier.classify(imageAt: path, topK: 1)
    print(path, best.first?.identifier ?? "nothing", best.first?.confidence ?? 0)
  }
  // end
}

private func verify() async throws {
  // snippet Verifying
  let result = try await Verification.verify(modelAt: "resnet50.rbn")
  if let departure = result.firstDeparture { print("departs in", departure.name) }
  // end
}

private func chooseAPreprocessing(_ model: Model) throws {
  // snippet ImagesAndPreprocessing
  let classifier = try ImageClassifier(model: model, preprocessing: .timm(size: 224, cropPercentage: 0.875))
  // end
  _ = classifier
}

private enum Response { case ok([Classification]), badRequest(String) }

private func answer(_ classifier: ImageClassifier, _ body: [UInt8]) async throws -> Response {
  // snippet GettingStarted
  do {
    return .ok(try await classifier.classify(encodedImage: body))
  } catch let error as RBNError where error.subject == .input {
    return .badRequest(error.description)
  }
  // end
}

@Suite struct ReadmeTests {
  @Test func theSnippetIsTheOneThatIsRunHere() throws {
    let readme = try String(contentsOf: Fixtures.root.appendingPathComponent("README.md"), encoding: .utf8)
    let snippet = try #require(try Self.snippets().first { $0.document.isEmpty }).text
    #expect(readme.contains("```swift\nimport RBNRuntime\n\n\(snippet)\n```"))
  }

  @Test func theSnippetsOfTheArticlesAreCompiledHere() throws {
    let snippets = try Self.snippets().filter { !$0.document.isEmpty }
    #expect(snippets.count == 6)
    for snippet in snippets {
      let article = Fixtures.root.appendingPathComponent(
        "Sources/RBNRuntime/RBNRuntime.docc/\(snippet.document).md")
      // Inside of a function or a type the lines stand further to the right.
      let lines = try String(contentsOf: article, encoding: .utf8).split(separator: "\n").map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      let wanted = snippet.text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
      let isThere = lines.indices.contains { Array(lines[$0...].prefix(wanted.count)) == wanted }
      #expect(isThere, "\(snippet.document): \(snippet.text)")
    }
  }

  /// The text between `// snippet <article>` and `// end`, without the indentation.
  private static func snippets() throws -> [(document: String, text: String)] {
    let source = try String(contentsOfFile: #filePath, encoding: .utf8)
    var found: [(document: String, text: String)] = []
    var open: (document: String, lines: [String])?
    for line in source.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("  // snippet") {
        open = (line.dropFirst("  // snippet".count).trimmingCharacters(in: .whitespaces), [])
      } else if line == "  // end", let snippet = open {
        found.append((snippet.document, snippet.lines.joined(separator: "\n")))
        open = nil
      } else if open != nil {
        open?.lines.append(String(line.dropFirst(2)))
      }
    }
    return found
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
