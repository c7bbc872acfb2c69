import RBNTensor
import Testing

@testable import RBNImage

@Suite struct ResizeTests {
  @Test(arguments: Fixtures.names(in: "resize", except: ["source.ppm"]))
  func isThatOfPillow(name: String) throws {
    let parts = name.split { "-.x".contains($0) }.map(String.init)
    let width = try #require(Int(parts[0]))
    let height = try #require(Int(parts[1]))
    let interpolation = try #require(Interpolation(rawValue: parts[2]))
    let source = try Fixtures.ppm("resize/source.ppm")
    expectEqual(
      try source.resized(width: width, height: height, interpolation: interpolation),
      try Fixtures.ppm("resize/\(name)"))
  }

  @Test func thereAreGoldensOfEachFilter() {
    let names = Fixtures.names(in: "resize", except: ["source.ppm"])
    for interpolation in Interpolation.allCases {
      #expect(names.count { $0.contains("-\(interpolation).") } >= 10)
    }
  }

  @Test(arguments: Interpolation.allCases, [(17, 9), (40, 9), (17, 30), (40, 30), (90, 71)])
  func windowIsPartOfTheWhole(interpolation: Interpolation, size: (Int, Int)) throws {
    let source = try Fixtures.ppm("resize/source.ppm").buffer
    let (width, height) = size
    let whole = try source.resized(
      width: width, height: height, columns: 0..<width, rows: 0..<height, interpolation: interpolation)
    let (columns, rows) = (3..<(width - 2), 1..<(height - 4))
    let part = try source.resized(
      width: width, height: height, columns: columns, rows: rows, interpolation: interpolation)
    #expect(part.width == columns.count && part.height == rows.count)
    let wholePixels = RGBImage(whole, orientation: .up).pixels
    let expected = rows.flatMap { y in
      wholePixels[((y * width + columns.lowerBound) * 3)...].prefix(columns.count * 3)
    }
    #expect(RGBImage(part, orientation: .up).pixels == expected)
  }

  @Test(arguments: [Interpolation.bilinear, .bicubic])
  func greyPlaneIsThatOfGreyColour(interpolation: Interpolation) throws {
    let source = try Fixtures.ppm("resize/source.ppm").buffer
    let grey = try Luma.convert(source)
    let colour = try RGBImage(
      width: grey.width, height: grey.height,
      pixels: try grey.withBytes { b in (0..<(grey.width * grey.height)).flatMap { [b[$0], b[$0], b[$0]] } })
    let expected = try colour.resized(width: 13, height: 44, interpolation: interpolation).pixels
    let plane = try grey.resized(
      width: 13, height: 44, columns: 0..<13, rows: 0..<44, interpolation: interpolation)
    let actual = try plane.withBytes { b in (0..<(13 * 44)).map { b[$0] } }
    #expect(actual == stride(from: 0, to: expected.count, by: 3).map { expected[$0] })
  }

  @Test func weightsSumToOne() {
    for (source, destination) in [(1, 7), (7, 1), (100, 33), (33, 100), (1000, 999), (5, 5)] {
      for interpolation in [Interpolation.bilinear, .bicubic] {
        let table = ResamplingCoefficients(
          source: source, destination: destination, window: 0..<destination, interpolation: interpolation)
        for i in 0..<destination {
          let sum = (0..<table.count[i]).reduce(0) { $0 + Int(table.weights[i * table.stride + $1]) }
          // Each weight is rounded by half a unit at most.
          #expect(abs(sum - 1 << 22) <= table.count[i] / 2 + 1)
          #expect(table.first[i] >= 0 && table.first[i] + table.count[i] <= source)
        }
      }
    }
  }

  @Test func impossibleSizesAreRefused() throws {
    let source = try Fixtures.ppm("resize/source.ppm")
    for (width, height) in [(0, 5), (5, -1), (.max, 2), (1 << 20, 1 << 20)] {
      for interpolation in Interpolation.allCases {
        #expect(throws: RBNError.self) {
          try source.resized(width: width, height: height, interpolation: interpolation)
        }
      }
    }
  }

  @Test func longStripIsRefusedInsteadOfExhaustingMemory() throws {
    let strip = try RGBImage(width: 1, height: 2_000_000, pixels: [UInt8](repeating: 9, count: 6_000_000))
    let whole = ImagePreprocessing(resize: .shorterEdge(224))
    let error = try #require(throws: RBNError.self) { try whole.tensor(for: strip) }
    #expect(error.code == .imageResizeTooLarge)
    let nearest = ImagePreprocessing(
      resize: .shorterEdge(60_000), interpolation: .nearest, crop: .init(height: 8, width: 8))
    #expect(throws: RBNError.self) { try nearest.tensor(for: strip) }
    // Rows first, so that the intermediate is small; and a crop out of the middle needs only the rows under it.
    let squash = ImagePreprocessing(resize: .squash(height: 224, width: 224))
    #expect(try squash.tensor(for: strip).floats.allSatisfy { $0 == Float(9) / 255 })
    let crop = ImagePreprocessing(resize: .shorterEdge(32), crop: .init(height: 32, width: 32))
    #expect(try crop.tensor(for: strip).floats.allSatisfy { $0 == Float(9) / 255 })
  }
}
