import CLibCrypto
import Foundation
import Testing

@testable import RBNImage

/// The files that `tools/make_image_goldens.py` writes, and the data beside the checkout.
enum Fixtures {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  static let images = root.appendingPathComponent("fixtures/images")
  static let data = root.deletingLastPathComponent().appendingPathComponent("shared/data")

  static var hasData: Bool {
    FileManager.default.fileExists(atPath: data.appendingPathComponent("corpora/pngsuite").path)
  }

  static func path(_ name: String) -> String { images.appendingPathComponent(name).path }

  static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: images.appendingPathComponent(name)))
  }

  /// The names of the files in a folder that don't end in any of `endings`, sorted.
  static func names(in folder: String, except endings: [String]) -> [String] {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: path(folder))) ?? []
    return all.filter { name in !endings.contains { name.hasSuffix($0) } }.sorted()
  }

  /// The words of each line of a text file.
  static func table(_ name: String) -> [[String]] {
    let text = (try? String(contentsOf: images.appendingPathComponent(name), encoding: .utf8)) ?? ""
    return text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
  }

  /// A binary PPM as Pillow writes it: `P6`, width, height, 255, pixels.
  static func ppm(_ name: String) throws -> RGBImage {
    let bytes = try bytes(name)
    let lines = bytes.split(separator: 0x0A, maxSplits: 3, omittingEmptySubsequences: false)
    try #require(lines.count == 4)
    let size = String(decoding: lines[1], as: UTF8.self).split(separator: " ").compactMap { Int($0) }
    try #require(size.count == 2)
    return try RGBImage(width: size[0], height: size[1], pixels: Array(lines[3]))
  }

  static func sha256(_ image: RGBImage) throws -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    let status = image.withUnsafeBytes { bytes in
      EVP_Digest(bytes.baseAddress, bytes.count, &digest, nil, EVP_sha256(), nil)
    }
    try #require(status == 1)
    return digest.map { String(format: "%02x", $0) }.joined()
  }
}

/// How two images differ, for messages.
func expectEqual(_ image: RGBImage, _ expected: RGBImage, sourceLocation: SourceLocation = #_sourceLocation) {
  #expect(
    image.width == expected.width && image.height == expected.height, "\(image.width)×\(image.height)",
    sourceLocation: sourceLocation)
  let differences = zip(image.pixels, expected.pixels).map { abs(Int($0) - Int($1)) }
  #expect(
    differences.allSatisfy { $0 == 0 },
    "\(differences.count { $0 > 0 }) of \(differences.count) samples differ, by \(differences.max() ?? 0) at most",
    sourceLocation: sourceLocation)
}
