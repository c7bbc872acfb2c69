import RBNTensor

/// What a file is, by its content; names don't matter.
package enum FileKind: Hashable, Sendable {
  /// A zip of `torch.save`.
  case torchZip
  /// A stream of `torch.save` before 1.6.
  case torchLegacy
  /// An archive of `torch.export` (`.pt2`).
  case exportedProgram
  /// A bundle of this package (`.rbn`).
  case bundle
  /// An archive of NumPy arrays.
  case npz
  /// A NumPy array.
  case npy
  /// Nothing that is read here.
  case unknown(UnknownFile)

  /// A file that is not read, by what it looks like.
  package struct UnknownFile: Hashable, Sendable {
    package var code: RBNError.Code
    /// In a few words, behind "is": `a safetensors file`.
    package var description: String
    package var advice: String?
  }

  /// Looks at the content of a file.
  ///
  /// - Throws: `file.unreadable`; an `archive.…` error for a zip that is not sound.
  package static func sniff(path: String) throws -> FileKind {
    try sniff(ByteSource(path: path, subject: .model))
  }

  static func sniff(_ source: ByteSource) throws -> FileKind {
    let head = try source.bytes(at: 0, count: min(source.byteCount, FileSignature.headByteCount))
    if head.starts(with: [0x50, 0x4B, 0x03, 0x04]) || head.starts(with: [0x50, 0x4B, 0x05, 0x06]) {
      return try archive(source)
    }
    if head.starts(with: [0x93] + Array("NUMPY".utf8)) { return .npy }
    if isLegacy(head) { return .torchLegacy }
    return .unknown(FileSignature.describe(head, byteCount: source.byteCount))
  }

  /// What to say to somebody who took the file for a checkpoint.
  package func refusal() -> RBNError {
    let file =
      switch self {
      case .unknown(let file): file
      case .torchZip, .torchLegacy: UnknownFile(code: .otherFormat, description: "a checkpoint of torch.save")
      case .exportedProgram:
        UnknownFile(code: .otherFormat, description: "an exported program (.pt2), not a checkpoint")
      case .bundle: UnknownFile(code: .otherFormat, description: "a bundle (.rbn), not a checkpoint")
      case .npz:
        UnknownFile(code: .otherFormat, description: "an archive of NumPy arrays (.npz), not weights")
      case .npy: UnknownFile(code: .otherFormat, description: "a NumPy array (.npy), not weights")
      }
    return RBNError(file.code, .model, "is \(file.description)", advice: file.advice)
  }

  /// Whether the first pickle is the magic number: behind the protocol, from 4 on also behind a frame.
  static func isLegacy(_ head: [UInt8]) -> Bool {
    guard head.count >= 15, head[0] == PickleOpcode.proto.rawValue, (2...5).contains(head[1]) else {
      return false
    }
    let number = [PickleOpcode.long1.rawValue, 10] + TorchLegacyCheckpoint.magic
    return head.dropFirst(2).starts(with: number)
      || head[2] == PickleOpcode.frame.rawValue && head.dropFirst(11).starts(with: number)
  }

  private static func archive(_ source: ByteSource) throws -> FileKind {
    var options = ZipArchive.Options()
    options.allowsDeflate = true
    return of(archiveNames: try ZipArchive(source, options: options).entries.map(\.name))
  }

  /// What an archive is, by the names of its entries.
  static func of(archiveNames names: [String]) -> FileKind {
    func has(_ file: String) -> Bool { names.contains { $0 == file || isInRoot($0, file) } }
    if names.contains("manifest.json") { return .bundle }
    if has("archive_format") || has("serialized_exported_program.json") { return .exportedProgram }
    if has("constants.pkl") {
      return .unknown(
        UnknownFile(
          code: .torchScript, description: "a TorchScript program, not weights",
          advice: "save the state_dict or use torch.export"))
    }
    if has("data.pkl") { return .torchZip }
    if !names.isEmpty, names.allSatisfy({ $0.hasSuffix(".npy") }) { return .npz }
    return .unknown(
      UnknownFile(
        code: .otherFormat, description: "a zip archive that holds no data.pkl, so not one of torch.save",
        advice: "unpack it if the checkpoint is inside"))
  }

  /// Whether a name is that of a file directly under some root folder.
  private static func isInRoot(_ name: String, _ file: String) -> Bool {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    return parts.count == 2 && parts[1] == file
  }

  /// What a scan calls an archive; nil for one of no known kind.
  var scanName: String? {
    switch self {
    case .torchZip: "a checkpoint of torch.save"
    case .torchLegacy: "a checkpoint of torch.save before 1.6"
    case .exportedProgram: "a program of torch.export"
    case .bundle: "a bundle"
    case .npz: "an archive of NumPy arrays"
    case .npy: "a NumPy array"
    case .unknown(let file): file.code == .torchScript ? "a TorchScript program" : nil
    }
  }
}
