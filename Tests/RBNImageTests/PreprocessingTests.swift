import Foundation
import RBNTensor
import Testing

@testable import RBNImage

@Suite struct PreprocessingTests {
  static let cases = Fixtures.table("tensors/tensors.txt")

  static func size(_ text: String) throws -> ImagePreprocessing.Size? {
    if text == "none" { return nil }
    let sides = text.split(separator: "x").compactMap { Int($0) }
    try #require(sides.count == 2)
    return .init(height: sides[0], width: sides[1])
  }

  /// The preprocessing that a line of tensors.txt describes.
  static func preprocessing(_ line: [String]) throws -> ImagePreprocessing {
    var preprocessing = ImagePreprocessing.torchvision
    preprocessing.resize =
      if let edge = Int(line[2]) {
        .shorterEdge(edge)
      } else if let size = try size(line[2]) {
        .squash(height: size.height, width: size.width)
      } else {
        .none
      }
    preprocessing.interpolation = try #require(Interpolation(rawValue: line[3]))
    preprocessing.crop = try size(line[4])
    return preprocessing
  }

  @Test func thereAreCases() { #expect(Self.cases.count >= 15) }

  @Test(arguments: cases)
  func isThatOfTorchvision(line: [String]) throws {
    try #require(line.count == 8)
    var preprocessing = try Self.preprocessing(line)
    if line[5] == "1" {
      preprocessing.channels = 1
      preprocessing.mean = [0.5]
      preprocessing.standardDeviation = [0.25]
    }
    // The last case has the statistics of the EfficientNet-Lite family.
    if line == Self.cases.last {
      preprocessing.mean = [Float](repeating: Float(127.0 / 255), count: 3)
      preprocessing.standardDeviation = [Float](repeating: Float(128.0 / 255), count: 3)
    }
    let image = try Fixtures.ppm("tensors/\(line[1]).ppm")
    let tensor = try preprocessing.tensor(for: image)
    #expect(tensor.shape.dimensions == [1] + line[5...7].compactMap { Int($0) })
    let expected = try Fixtures.bytes("tensors/\(line[0])").withUnsafeBytes { bytes in
      stride(from: 0, to: bytes.count, by: 4).map { bytes.loadUnaligned(fromByteOffset: $0, as: Float.self) }
    }
    // Every step is defined to the last bit, so no tolerance.
    #expect(tensor.floats.map(\.bitPattern) == expected.map(\.bitPattern))
  }

  @Test func batchesHoldTheImagesInOrder() throws {
    let images = try ["landscape", "portrait"].map { try Fixtures.ppm("tensors/\($0).ppm") }
    var preprocessing = ImagePreprocessing.timm(size: 14)
    #expect(preprocessing.resize == .shorterEdge(16))
    let batch = try preprocessing.tensor(for: images)
    #expect(batch.shape == [2, 3, 14, 14])
    #expect(batch.floats == (try images.flatMap { try preprocessing.tensor(for: $0).floats }))
    preprocessing.crop = nil
    let error = try #require(throws: RBNError.self) { try preprocessing.tensor(for: images) }
    #expect(error.code == .preprocessingShapeMismatch)
    #expect(throws: RBNError.self) { try preprocessing.tensor(for: [RGBImage]()) }
    var small = [Float](repeating: 0, count: 10)
    #expect(throws: RBNError.self) {
      try small.withUnsafeMutableBufferPointer { try preprocessing.write(images[0], into: $0) }
    }
  }

  @Test(arguments: EXIFOrientation.allCases)
  func orientationIsAppliedOnRequestOnly(orientation: EXIFOrientation) throws {
    let stored = try Fixtures.ppm("tensors/landscape.ppm")
    let image = try RGBImage(
      width: stored.width, height: stored.height, pixels: stored.pixels, orientation: orientation)
    var preprocessing = ImagePreprocessing(resize: .shorterEdge(20), interpolation: .bicubic)
    #expect(try preprocessing.tensor(for: image).floats == preprocessing.tensor(for: stored).floats)
    let expected = try preprocessing.tensor(for: image.upright())
    preprocessing.appliesEXIFOrientation = true
    let turned = try preprocessing.tensor(for: image)
    #expect(turned.shape == expected.shape)
    #expect(turned.floats == expected.floats)
  }

  static let invalid: [(String, @Sendable (inout ImagePreprocessing) -> Void)] = [
    ("edge 0", { $0.resize = .shorterEdge(0) }), ("edge −1", { $0.resize = .shorterEdge(-1) }),
    ("edge max", { $0.resize = .shorterEdge(.max) }),
    ("squash", { $0.resize = .squash(height: 3, width: 0) }),
    ("crop 0", { $0.crop = .init(height: 0, width: 1) }),
    ("crop max", { $0.crop = .init(height: .max, width: .max) }),
    ("crop area", { $0.crop = .init(height: 65536, width: 65536) }),
    ("channels 2", { $0.channels = 2 }), ("channels 1", { $0.channels = 1 }), ("no mean", { $0.mean = [] }),
    ("mean", { $0.mean = [0, .nan, 0] }), ("deviations", { $0.standardDeviation = [1] }),
    ("deviation 0", { $0.standardDeviation = [1, 0, 1] }),
    ("deviation ∞", { $0.standardDeviation = [1, .infinity, 1] }),
    ("timm 0", { $0 = .timm(size: 224, cropPercentage: 0) }),
    ("timm NaN", { $0 = .timm(size: 224, cropPercentage: .nan) }),
    ("timm −1", { $0 = .timm(size: -1) }), ("timm max", { $0 = .timm(size: .max) }),
  ]

  @Test(arguments: invalid.indices)
  func invalidValuesAreRefused(index: Int) throws {
    var preprocessing = ImagePreprocessing.torchvision
    try preprocessing.validate()
    Self.invalid[index].1(&preprocessing)
    let error = try #require(throws: RBNError.self, "\(Self.invalid[index].0)") {
      try preprocessing.validate()
    }
    #expect(error.code == .invalidPreprocessing && error.subject == .usage)
    let image = try Fixtures.ppm("tensors/landscape.ppm")
    #expect(throws: RBNError.self) { try preprocessing.tensor(for: image) }
  }

  @Test func timmRoundsTheEdgeDown() {
    for (size, percentage, edge) in [
      (224, 0.875, 256), (224, 0.9, 248), (240, 0.882, 272), (300, 0.904, 331),
    ] {
      #expect(ImagePreprocessing.timm(size: size, cropPercentage: percentage).resize == .shorterEdge(edge))
    }
  }
}
