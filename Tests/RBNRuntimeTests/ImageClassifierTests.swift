import Foundation
import RBNGraph
import RBNRuntime
import Testing

@Suite struct ImageClassifierTests {
  private struct Expected: Decodable {
    struct Photo: Decodable {
      var file: String
      var top: [Entry]
    }
    struct Entry: Decodable {
      var index: Int
      var label: String
      var logit: Double
      var probability: Double
    }
    var photos: [Photo]

    static func read() throws -> [Photo] {
      let url = URL(fileURLWithPath: Fixtures.path("efficientnet-lite0/expected.json"))
      return try JSONDecoder().decode(Expected.self, from: Data(contentsOf: url)).photos
    }
  }

  @Test func photographsHaveTheClassesAndLogitsOfPyTorch() async throws {
    let classifier = try ImageClassifier(model: Model(contentsOf: Fixtures.efficientNet))
    #expect(classifier.classCount == 1000)
    let photos = try Expected.read()
    #expect(photos.count == 5)
    for photo in photos {
      let path = Fixtures.path("efficientnet-lite0/\(photo.file)")
      let classes = try await classifier.classify(imageAt: path, topK: 5)
      #expect(classes.map(\.index) == photo.top.map(\.index), "\(photo.file)")
      #expect(classes.map(\.identifier) == photo.top.map(\.label))
      for (ours, theirs) in zip(classes, photo.top) {
        // 50 layers in float32, and logits of about 10.
        #expect(abs(Double(try #require(ours.logit)) - theirs.logit) < 1e-4)
        #expect(abs(Double(ours.confidence) - theirs.probability) < 1e-5)
      }
    }
  }

  @Test func everyWayToGiveAnImageGivesTheSame() async throws {
    let classifier = try ImageClassifier(model: Model(contentsOf: Fixtures.efficientNet))
    let paths = ["chelsea", "coffee"].map { Fixtures.path("photos/\($0).jpg") }
    let expected = [
      try await classifier.classify(imageAt: paths[0]), try await classifier.classify(imageAt: paths[1]),
    ]
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: paths[0])))
    #expect(try await classifier.classify(encodedImage: bytes) == expected[0])
    #expect(try await classifier.model.predict(imageAt: paths[0]) == expected[0])
    #expect(try await classifier.model.predict(encodedImage: bytes, topK: 2) == Array(expected[0].prefix(2)))
    let images = try paths.map { try RGBImage(contentsOf: $0) }
    #expect(try await classifier.classify(images[1]) == expected[1])
    #expect(try await classifier.classify(images) == expected)
    #expect(try await classifier.classify([RGBImage]()).isEmpty)
    let results = try await classifier.classify(imagesAt: [paths[0], "/nowhere.jpg", paths[1]])
    #expect(try results[0].get() == expected[0])
    #expect(try results[2].get() == expected[1])
    #expect(throws: RBNError.self) { try results[1].get() }
  }

  @Test func theNumberOfClassesIsThatAskedFor() async throws {
    let classifier = try ImageClassifier(model: Model(contentsOf: Fixtures.path("digits/digits-rbn.rbn")))
    let image = Fixtures.path("digits/images/0011-is-1.png")
    #expect(try await classifier.classify(imageAt: image, topK: 1).map(\.identifier) == ["1"])
    let all = try await classifier.classify(imageAt: image, topK: 1000)
    #expect(all.count == 10)
    #expect(Set(all.map(\.index)) == Set(0..<10))
    #expect(abs(all.reduce(0) { $0 + $1.confidence } - 1) < 1e-6)
    #expect(all.map(\.confidence) == all.map(\.confidence).sorted(by: >))
    #expect(try await classifier.classify(imageAt: image, topK: -1).isEmpty)
  }

  @Test func theModelsOwnPreprocessingAndLabelsCanBeReplaced() async throws {
    let model = try Model(contentsOf: Fixtures.digits)
    let missing = await Fixtures.error { _ = try ImageClassifier(model: model) }
    #expect(missing?.code == .preprocessingMismatch)
    #expect(missing?.subject == .usage)

    let json = try String(contentsOfFile: Fixtures.path("digits/preprocessing.json"), encoding: .utf8)
    let preprocessing = try ImagePreprocessing(json: json)
    let image = Fixtures.path("digits/images/0011-is-1.png")
    let unlabelled = try ImageClassifier(model: model, preprocessing: preprocessing)
    #expect(try await unlabelled.classify(imageAt: image, topK: 1).map(\.identifier) == ["1"])
    let names = (0..<10).map { "digit \($0)" }
    let labelled = try ImageClassifier(model: model, preprocessing: preprocessing, labels: names)
    #expect(try await labelled.classify(imageAt: image, topK: 1).map(\.identifier) == ["digit 1"])

    let few = await Fixtures.error {
      _ = try ImageClassifier(model: model, preprocessing: preprocessing, labels: ["a", "b"])
    }
    #expect(few?.code == .labelCount)
    let colour = await Fixtures.error { _ = try ImageClassifier(model: model, preprocessing: .torchvision) }
    #expect(colour?.code == .preprocessingMismatch)
  }

  /// A classifier of three classes that ends in a softmax and then these operations.
  private static func classifier(endingIn ending: [any Operator]) throws -> ImageClassifier {
    var graph = Graph()
    var value = graph.addInput("x", shape: [nil, 1, 1, 3], exampleShape: [1, 1, 1, 3])
    let operators: [any Operator] = [Flatten(startDim: 1), Softmax(dim: 1)] + ending
    for op in operators { value = graph.append(op, [value], module: ModuleCall("")) }
    graph.outputs = [Graph.Output(name: "output", value: value)]
    return try ImageClassifier(
      model: Model(graph),
      preprocessing: ImagePreprocessing(resize: .squash(height: 1, width: 3), channels: 1))
  }

  @Test func aSoftmaxBeforeACopyOrAnotherShapeIsTheLast() throws {
    let scores = try Tensor(shape: [1, 3], scalars: [0.25, 0.5, 0.25])
    let image = Reshape(sizes: [.size(input: 0, axis: 0), .literal(3), .literal(1), .literal(1)])
    let endings: [[any Operator]] = [
      [], [Identity()], [image], [image, Flatten(startDim: 1), Identity()],
    ]
    for ending in endings {
      let classifier = try Self.classifier(endingIn: ending)
      let best = try #require(try classifier.classifications(of: scores).first?.first)
      #expect(best == Classification(index: 1, identifier: "1", confidence: 0.5), "\(ending.map { $0.name })")
    }
    let logits = try Self.classifier(endingIn: [Unary(.log), Identity()])
    let best = try #require(try logits.classifications(of: scores).first?.first)
    #expect(best.logit == 0.5 && best.confidence < 0.5)
  }

  @Test func imagesThatCannotBeUsedAreInputErrors() async throws {
    let classifier = try ImageClassifier(model: Model(contentsOf: Fixtures.path("digits/digits-rbn.rbn")))
    for path in ["/nowhere.png", Fixtures.path("README.md"), Fixtures.path("photos")] {
      let error = await Fixtures.error { _ = try await classifier.classify(imageAt: path) }
      #expect(error?.subject == .input)
      #expect(error?.file == path)
    }
    #expect(await Fixtures.error { _ = try await classifier.classify(encodedImage: []) }?.subject == .input)
  }

  @Test func aNetworkThatIsNoClassifierIsRefused() async throws {
    let model = try Model(contentsOf: Fixtures.path("blocks/basic.pt2"))
    let size = model.inputs[0].shape
    let preprocessing = ImagePreprocessing(
      resize: .squash(height: size[2] ?? 8, width: size[3] ?? 8), channels: 3)
    let error = await Fixtures.error { _ = try ImageClassifier(model: model, preprocessing: preprocessing) }
    #expect(error?.code == .preprocessingMismatch)
  }
}
