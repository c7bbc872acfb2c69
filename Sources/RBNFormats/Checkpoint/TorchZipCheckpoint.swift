import RBNTensor

/// A checkpoint in the form that `torch.save` writes since 1.6: a zip with one root folder that holds
/// `data.pkl`, `version`, `byteorder`, and a `data/<key>` for each storage.
struct TorchZipCheckpoint: CheckpointFile {
  let pickle: Pickle
  let isBigEndian: Bool
  let byteCount: Int

  private let archive: ZipArchive
  private let root: String

  /// Opens the archive and reads the pickle; the storages are read when they are asked for.
  ///
  /// - Throws: an `archive.…`, `checkpoint.…` or `pickle.…` error, `file.unreadable`.
  init(_ source: ByteSource) throws {
    archive = try ZipArchive(source, options: ZipArchive.Options())
    byteCount = source.byteCount
    root = try Self.root(of: archive)
    try Self.checkVersion(archive, root)
    isBigEndian = try Self.isBigEndian(archive, root)
    let name = root + "data.pkl"
    let entry = try archive.requiredEntry(name)
    guard entry.byteCount <= CheckpointLimits.pickleByteCount else {
      throw RBNError(
        .pickleTooLarge, .model, location: name,
        "has \(entry.byteCount) bytes, over the limit of \(CheckpointLimits.pickleByteCount)")
    }
    let (part, range) = try archive.range(of: entry)
    pickle = try Unpickler.read(part, range, name: name)
    guard pickle.end == range.upperBound else {
      throw RBNError(
        .trailingPickleBytes, .model, location: "\(name), byte \(pickle.end - range.lowerBound)",
        "\(range.upperBound - pickle.end) bytes follow the end of the pickle")
    }
  }

  func read(_ storage: StorageReference) throws -> TensorStorage {
    guard let entry = archive.entry("\(root)data/\(storage.key)") else { throw missing(storage) }
    guard entry.byteCount == storage.byteCount else { throw wrongSize(storage, found: entry.byteCount) }
    return try archive.read(entry)
  }

  private static func root(of archive: ZipArchive) throws -> String {
    let roots = archive.entries.map { $0.name.prefix { $0 != "/" } }
    guard let root = roots.first, archive.entries.allSatisfy({ $0.name.contains("/") }) else {
      throw RBNError(
        .archiveRoot, .model, "has entries outside of a root folder, which torch.save never writes")
    }
    if let other = roots.first(where: { $0 != root }) {
      throw RBNError(
        .archiveRoot, .model, "has two root folders, \(root.debugDescription) and \(other.debugDescription)",
        advice: "save the state_dict again with torch.save")
    }
    return root + "/"
  }

  private static func checkVersion(_ archive: ZipArchive, _ root: String) throws {
    // torch looks in both places, in this order.
    guard let entry = archive.entry(root + ".data/version") ?? archive.entry(root + "version") else {
      throw RBNError(
        .missingVersion, .model, location: root + "version", "is not in the archive, and torch.save writes it"
      )
    }
    let text = try note(archive, entry)
    guard let version = Int(text) else {
      throw RBNError(.missingVersion, .model, location: entry.name, "holds no number")
    }
    guard (1...10).contains(version) else {
      throw RBNError(
        .unsupportedVersion, .model, location: entry.name, "is \(version), and versions 1 to 10 are known")
    }
  }

  private static func isBigEndian(_ archive: ZipArchive, _ root: String) throws -> Bool {
    guard let entry = archive.entry(root + "byteorder") else { return false }
    switch try note(archive, entry) {
    case "little": return false
    case "big": return true
    default:
      throw RBNError(.byteOrder, .model, location: entry.name, "is neither \"little\" nor \"big\"")
    }
  }

  /// A short text entry, without the line feed at its end.
  private static func note(_ archive: ZipArchive, _ entry: ZipArchive.Entry) throws -> String {
    let bytes = try archive.readBytes(named: entry.name, limit: CheckpointLimits.noteByteCount)
    let text = String(decoding: bytes, as: UTF8.self)
    return text.hasSuffix("\n") ? String(text.dropLast()) : text
  }
}
