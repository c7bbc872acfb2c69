import Foundation
import RBNTensor
import Testing

@testable import RBNImage

@Suite struct DecodingTests {
  @Test func goldensAreThere() {
    #expect(Fixtures.names(in: "decode", except: [".ppm"]).count >= 40)
    #expect(Fixtures.table("digests.txt").count >= 100)
  }

  @Test(arguments: Fixtures.names(in: "decode", except: [".ppm"]))
  func decodesAsPillow(name: String) throws {
    expectEqual(
      try RGBImage(contentsOf: Fixtures.path("decode/\(name)")), try Fixtures.ppm("decode/\(name).ppm"))
  }

  @Test(arguments: Fixtures.names(in: "orientation", except: [".ppm"]))
  func turnsUprightAsPillow(name: String) throws {
    let image = try RGBImage(contentsOf: Fixtures.path("orientation/\(name)"))
    let expected = name.filter(\.isNumber)
    #expect(image.orientation.rawValue == Int(expected))
    expectEqual(try image.upright(), try Fixtures.ppm("orientation/\(name).ppm"))
  }

  @Test(.enabled(if: Fixtures.hasData, "needs ../shared/data"), arguments: Fixtures.table("digests.txt"))
  func photographsAreThoseOfPillow(line: [String]) throws {
    try #require(line.count == 4 || line.count == 6)
    let image = try RGBImage(contentsOf: Fixtures.data.appendingPathComponent(line[0]).path)
    #expect([image.width, image.height].map(String.init) == Array(line[1...2]))
    #expect(try Fixtures.sha256(image) == line[3])
    for (digest, interpolation) in zip(line.dropFirst(4), [Interpolation.bilinear, .bicubic]) {
      let preprocessing = ImagePreprocessing(resize: .shorterEdge(256), interpolation: interpolation)
      let size = try preprocessing.outputSize(for: image)
      let resized = try image.resized(width: size.width, height: size.height, interpolation: interpolation)
      #expect(try Fixtures.sha256(resized) == digest, "\(interpolation)")
    }
  }

  @Test func nameOfTheFilePlaysNoPart() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let disguised = folder.appendingPathComponent("photo.jpg")
    try Data(try Fixtures.bytes("decode/rgb.png")).write(to: disguised)
    expectEqual(try RGBImage(contentsOf: disguised.path), try Fixtures.ppm("decode/rgb.png.ppm"))
  }

  @Test func imagesOfPixelsAreChecked() throws {
    #expect(throws: RBNError.self) { try RGBImage(width: 2, height: 2, pixels: [1, 2, 3]) }
    #expect(throws: RBNError.self) { try RGBImage(width: 0, height: 2, pixels: []) }
    #expect(throws: RBNError.self) {
      try RGBImage(width: -1, height: -3, pixels: [1, 2, 3, 4, 5, 6, 7, 8, 9])
    }
    #expect(throws: RBNError.self) { try RGBImage(width: .max, height: 2, pixels: []) }
    #expect(try RGBImage(width: 1, height: 2, pixels: [1, 2, 3, 4, 5, 6]).pixels == [1, 2, 3, 4, 5, 6])
  }
}
