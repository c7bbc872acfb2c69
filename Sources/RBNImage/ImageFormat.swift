import RBNTensor

/// The format of an encoded image, told from its first bytes.
enum ImageFormat: Hashable {
  case jpeg
  case png

  /// Recognises the format; the name of the file plays no part.
  ///
  /// - Throws: `image.empty`; `image.unsupported-format`, which names what was found.
  init(_ bytes: UnsafeRawBufferPointer) throws {
    guard !bytes.isEmpty else { throw RBNError(.imageEmpty, .input, "the image is empty: 0 bytes") }
    if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else {
      throw RBNError(
        .imageUnsupportedFormat, .input,
        "this is \(Self.nameOfUnsupported(bytes)), not a JPEG or PNG image",
        advice: "convert it to JPEG or PNG")
    }
  }

  /// What bytes that are neither JPEG nor PNG look like, with an article.
  private static func nameOfUnsupported(_ bytes: UnsafeRawBufferPointer) -> String {
    for (prefix, name) in signatures where bytes.starts(with: prefix) { return name }
    if bytes.starts(with: "RIFF".utf8), bytes.dropFirst(8).starts(with: "WEBP".utf8) { return "a WebP image" }
    let brand = bytes.dropFirst(8).prefix(4)
    if bytes.dropFirst(4).starts(with: "ftyp".utf8) {
      for (known, name) in brands where brand.elementsEqual(known.utf8) { return name }
      return "an ISO media file"
    }
    // A PNG whose signature was damaged by a text-mode transfer still says so.
    if bytes.dropFirst(1).starts(with: "PNG".utf8) { return "a PNG image with a damaged signature" }
    let start = bytes.prefix(512)
    if start.allSatisfy({ $0 == 9 || $0 == 10 || $0 == 13 || $0 >= 32 }) { return "text" }
    return "an unknown kind of file"
  }

  private static let brands: [(String, String)] = [
    ("avif", "an AVIF image"), ("avis", "an AVIF image"), ("heic", "a HEIC image"), ("heix", "a HEIC image"),
    ("mif1", "a HEIF image"), ("crx ", "a Canon raw image"),
  ]

  private static let signatures: [([UInt8], String)] = [
    (Array("GIF87a".utf8), "a GIF image"), (Array("GIF89a".utf8), "a GIF image"),
    (Array("BM".utf8), "a BMP image"),
    ([0x49, 0x49, 0x2A, 0x00], "a TIFF image"), ([0x4D, 0x4D, 0x00, 0x2A], "a TIFF image"),
    ([0x49, 0x49, 0x2B, 0x00], "a BigTIFF image"), ([0x4D, 0x4D, 0x00, 0x2B], "a BigTIFF image"),
    ([0x00, 0x00, 0x00, 0x0C, 0x6A, 0x50, 0x20, 0x20], "a JPEG 2000 image"),
    ([0xFF, 0x4F, 0xFF, 0x51], "a JPEG 2000 codestream"),
    ([0xFF, 0x0A], "a JPEG XL image"),
    ([0x00, 0x00, 0x00, 0x0C, 0x4A, 0x58, 0x4C, 0x20], "a JPEG XL image"),
    ([0x00, 0x00, 0x01, 0x00], "an icon (ICO)"),
    (Array("8BPS".utf8), "a Photoshop document"), (Array("%PDF".utf8), "a PDF document"),
    (Array("P1\n".utf8), "a PBM image"), (Array("P4\n".utf8), "a PBM image"),
    (Array("P2\n".utf8), "a PGM image"), (Array("P5\n".utf8), "a PGM image"),
    (Array("P3\n".utf8), "a PPM image"), (Array("P6\n".utf8), "a PPM image"),
    ([0x50, 0x4B, 0x03, 0x04], "a zip archive"), ([0x1F, 0x8B], "a gzip file"),
    (Array("<svg".utf8), "an SVG drawing"), (Array("<?xml".utf8), "an XML document"),
    ([0x93] + Array("NUMPY".utf8), "an npy tensor"),
  ]
}
