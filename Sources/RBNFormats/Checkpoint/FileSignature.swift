import RBNTensor

/// What files that are taken for checkpoints look like, by their first bytes.
enum FileSignature {
  /// How many bytes are looked at.
  static let headByteCount = 512

  private static let magics: [(bytes: [UInt8], description: String)] = [
    ([0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A], "an HDF5 file, as Keras writes"),
    ([0x89, 0x50, 0x4E, 0x47], "a PNG image"), ([0xFF, 0xD8, 0xFF], "a JPEG image"),
    ([0x1F, 0x8B], "compressed by gzip"), ([0x42, 0x5A, 0x68], "compressed by bzip2"),
    ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "compressed by xz"),
    ([0x28, 0xB5, 0x2F, 0xFD], "compressed by zstd"),
    ([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], "a 7z archive"), (Array("Rar!".utf8), "a RAR archive"),
    (Array("GGUF".utf8), "a GGUF file"), (Array("%PDF".utf8), "a PDF document"),
    (Array("7767517\n".utf8), "the text of an ncnn model"),
  ]

  static func describe(_ head: [UInt8], byteCount: Int) -> FileKind.UnknownFile {
    if head.isEmpty { return .init(code: .emptyFile, description: "empty", advice: downloadAgain) }
    if let text = describeText(head) { return text }
    if let magic = magics.first(where: { head.starts(with: $0.bytes) }) {
      return .init(code: .otherFormat, description: magic.description + ", not a checkpoint of torch.save")
    }
    if head.dropFirst(257).starts(with: Array("ustar".utf8)) { return describeTar(head) }
    if isSafetensors(head, byteCount: byteCount) {
      return .init(
        code: .otherFormat, description: "a safetensors file, not a checkpoint of torch.save",
        advice: "load it in PyTorch and save it with torch.save, or export a bundle")
    }
    if head.dropFirst(4).starts(with: Array("TFL3".utf8)) {
      return .init(code: .otherFormat, description: "a TensorFlow Lite model, not a checkpoint of torch.save")
    }
    if isONNX(head) {
      return .init(
        code: .otherFormat, description: "an ONNX model, not a checkpoint of torch.save",
        advice: "use the PyTorch model that it was exported from")
    }
    if let first = head.first, first == PickleOpcode.proto.rawValue, head.count > 1, head[1] <= 5 {
      return .init(
        code: .barePickle, description: "a pickle that torch.save did not write, and was not looked into",
        advice: "save the state_dict with torch.save")
    }
    return .init(
      code: .otherFormat,
      description: "none of the files that torch.save writes, nor one of a format known here",
      advice: "check that the download is complete")
  }

  private static let downloadAgain = "download it again"

  private static func describeText(_ head: [UInt8]) -> FileKind.UnknownFile? {
    let start = head.drop { [0x20, 0x09, 0x0A, 0x0D, 0xEF, 0xBB, 0xBF].contains($0) }
    let text = String(decoding: start.prefix(256), as: UTF8.self)
    let lower = text.lowercased()
    if lower.hasPrefix("<!doctype html") || lower.hasPrefix("<html") || lower.hasPrefix("<head") {
      return .init(
        code: .webPage,
        description: "a web page, not a checkpoint: the download gave a page instead of the file",
        advice: downloadAgain + ", with the address of the file itself")
    }
    if text.hasPrefix("version https://git-lfs.github.com/spec/") {
      return .init(
        code: .lfsPointer, description: "a pointer of git-lfs, not the file that it points to",
        advice: "fetch the file with: git lfs pull")
    }
    for (prefix, name) in [("<?xml", "an XML document"), ("{", "a JSON document"), ("<", "a page of markup")]
    where lower.hasPrefix(prefix) && isPrintable(head) {
      return .init(code: .otherFormat, description: name + ", not a checkpoint of torch.save")
    }
    return nil
  }

  private static func isPrintable(_ head: [UInt8]) -> Bool {
    head.allSatisfy { $0 >= 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
  }

  private static func describeTar(_ head: [UInt8]) -> FileKind.UnknownFile {
    let name = String(decoding: head.prefix(100).prefix { $0 != 0 }, as: UTF8.self)
    guard ["sys_info", "pickle", "tensors", "storages"].contains(name) else {
      return .init(
        code: .otherFormat, description: "a tar archive, not a checkpoint of torch.save",
        advice: "unpack it if the checkpoint is inside")
    }
    return .init(
      code: .tarFormat, description: "in the tar format of torch before 0.1.10, which is not read",
      advice: "load it in PyTorch and save the state_dict again with a current torch.save")
  }

  /// An int64 length of a JSON header, then the header.
  private static func isSafetensors(_ head: [UInt8], byteCount: Int) -> Bool {
    guard head.count > 9, head[8] == UInt8(ascii: "{") else { return false }
    let length = head.prefix(8).reversed().reduce(into: UInt64(0)) { $0 = $0 << 8 | UInt64($1) }
    return length >= 2 && length <= UInt64(byteCount - 8)
  }

  /// A protocol buffer whose field 1 is a small version and whose next field is the name of a producer.
  private static func isONNX(_ head: [UInt8]) -> Bool {
    guard head.count > 4, head[0] == 0x08, (1...32).contains(head[1]), head[2] == 0x12 else { return false }
    let producer = head.dropFirst(4).prefix(Int(head[3]))
    return !producer.isEmpty && producer.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
  }
}
