import Foundation
import RBNTensor
import Testing

@testable import RBNImage

@Suite struct MalformedImageTests {
  @Test func everyMalformedFileIsListed() {
    let names = Fixtures.names(in: "malformed", except: [".txt"])
    #expect(names.count >= 35)
    #expect(names == Fixtures.table("malformed/errors.txt").map { $0[0] }.sorted())
  }

  @Test(arguments: Fixtures.table("malformed/errors.txt"))
  func isRefusedWithItsOwnError(line: [String]) throws {
    let path = Fixtures.path("malformed/\(line[0])")
    let error = try #require(throws: RBNError.self) { try RGBImage(contentsOf: path) }
    #expect(error.code.rawValue == line[1], "\(error)")
    #expect(error.subject == .input)
    #expect(error.file == path)
  }

  @Test(arguments: ["gif": "GIF", "bmp": "BMP", "webp": "WebP", "tiff": "TIFF", "avif": "AVIF"])
  func foreignFormatsAreNamed(file: String, name: String) throws {
    let error = try #require(throws: RBNError.self) {
      try RGBImage(contentsOf: Fixtures.path("malformed/\(file)-named.jpg"))
    }
    #expect(error.message.contains(name))
  }

  @Test func filesThatAreNoFilesAreRefused() throws {
    for path in [Fixtures.images.path, Fixtures.path("decode/absent.png"), "", "a\0b", "/dev/null"] {
      let error = try #require(throws: RBNError.self) { try RGBImage(contentsOf: path) }
      #expect(error.code == .imageUnreadable, "\(error)")
      #expect(error.subject == .input)
    }
  }

  @Test(arguments: ["decode/rgb.png", "decode/baseline-420.jpg"])
  func limitsHold(name: String) throws {
    let path = Fixtures.path(name)
    let area = 37 * 23
    _ = try RGBImage(contentsOf: path, limits: ImageLimits(maximumPixelCount: area))
    let tooMany = try #require(throws: RBNError.self) {
      try RGBImage(contentsOf: path, limits: ImageLimits(maximumPixelCount: area - 1))
    }
    #expect(tooMany.code == .imageTooManyPixels)
    let size = try Fixtures.bytes(name).count
    _ = try RGBImage(contentsOf: path, limits: ImageLimits(maximumFileByteCount: size))
    let tooLarge = try #require(throws: RBNError.self) {
      try RGBImage(contentsOf: path, limits: ImageLimits(maximumFileByteCount: size - 1))
    }
    #expect(tooLarge.code == .imageFileTooLarge)
  }

  // MARK: Truncated images

  @Test(arguments: Fixtures.names(in: "truncated", except: [".ppm"]))
  func truncatedImagesAreThoseOfPillow(name: String) throws {
    let path = Fixtures.path("truncated/\(name)")
    let error = try #require(throws: RBNError.self) { try RGBImage(contentsOf: path) }
    #expect([.jpegTruncated, .pngTruncated].contains(error.code))
    var limits = ImageLimits()
    limits.allowsTruncated = true
    let expected = try Fixtures.ppm("truncated/\(name).ppm")
    expectEqual(try RGBImage(contentsOf: path, limits: limits), expected)
    // Some rows are there, and some are not.
    #expect(expected.pixels.prefix(30).contains { $0 != 0 && $0 != 128 })
    #expect(expected.pixels.suffix(3).allSatisfy { $0 == 0 || $0 == 128 })
  }

  @Test(arguments: Fixtures.names(in: "decode", except: [".ppm"]))
  func wholeImagesAreTheSameWhenTruncatedOnesAreAllowed(name: String) throws {
    var limits = ImageLimits()
    limits.allowsTruncated = true
    let path = Fixtures.path("decode/\(name)")
    expectEqual(try RGBImage(contentsOf: path, limits: limits), try RGBImage(contentsOf: path))
  }

  @Test(arguments: samples)
  func everyTruncationIsDecodedOrRefusedWhereAllowed(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    var limits = ImageLimits()
    limits.allowsTruncated = true
    var decoded = 0
    for count in 0..<bytes.count {
      do {
        let image = try RGBImage(encoded: Array(bytes[..<count]), limits: limits)
        #expect(image.pixels.count == image.width * image.height * 3)
        decoded += 1
      } catch let error as RBNError {
        #expect(error.subject == .input, "\(error)")
      }
    }
    #expect(decoded > bytes.count / 8)
  }

  static let samples = [
    "decode/baseline-420.jpg", "decode/progressive-444.jpg", "decode/cmyk.jpg", "decode/restart.jpg",
    "decode/rgb.png", "decode/palette-4.png", "decode/grey-16.png", "orientation/6.jpg", "orientation/6.png",
  ]

  @Test(arguments: samples)
  func everyTruncationIsRefused(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    // A PNG may lack what follows its pixels: the checksum's end, metadata, IEND.
    let pixelsEnd =
      name.hasSuffix(".png") ? try #require(bytes.firstRange(of: Array("IEND".utf8))).lowerBound - 4 : 0
    let end = name.hasSuffix(".png") ? min(pixelsEnd, bytes.count) - 100 : bytes.count
    for count in 0..<max(end, 8) {
      #expect(throws: RBNError.self, "cut to \(count)") { try RGBImage(encoded: Array(bytes[..<count])) }
    }
    for count in max(end, 8)..<bytes.count {
      #expect(throws: Never.self) {
        do { _ = try RGBImage(encoded: Array(bytes[..<count])) } catch is RBNError {}
      }
    }
  }

  @Test(arguments: samples)
  func flippedBitsNeverCrash(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    var random = SeededGenerator(seed: 7)
    // A flipped size must not cost seconds.
    let limits = ImageLimits(maximumPixelCount: 1 << 20)
    var decoded = 0
    for _ in 0..<600 {
      var damaged = bytes
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        damaged[Int.random(in: 0..<bytes.count, using: &random)] ^=
          1 << UInt8.random(in: 0...7, using: &random)
      }
      do {
        let image = try RGBImage(encoded: damaged, limits: limits)
        #expect(image.pixels.count == image.width * image.height * 3)
        _ = try image.upright()
        decoded += 1
      } catch let error as RBNError {
        #expect(error.subject == .input, "\(error)")
      }
    }
    #expect(decoded < 600)
  }

  @Test func orientationOfDamagedMetadataIsUp() {
    var random = SeededGenerator(seed: 11)
    let tiff: [UInt8] = [
      0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0,
    ]
    #expect(tiff.withUnsafeBytes { EXIFOrientation(tiff: $0) } == .right)
    for count in 0..<20 {
      #expect(tiff[..<count].withUnsafeBytes { EXIFOrientation(tiff: $0) } == nil)
    }
    for _ in 0..<2000 {
      var damaged = tiff
      damaged[Int.random(in: 0..<tiff.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      let orientation = damaged.withUnsafeBytes { EXIFOrientation(tiff: $0) }
      #expect(orientation.map { (1...8).contains($0.rawValue) } ?? true)
    }
  }
}

/// SplitMix64: the same numbers on every machine.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
