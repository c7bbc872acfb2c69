import RBNTensor

extension ModelBundle {
  private static let maximumDocumentByteCount = 1 << 28

  /// Reads a bundle and checks every rule of the format.
  ///
  /// Weights that are stored as float16 or bfloat16 are widened to the dtype they stand for.
  ///
  /// - Throws: a `bundle.…`, `archive.…`, `json.…` or `numpy.…` error for each rule it breaks.
  package static func read(from path: String) throws -> ModelBundle {
    do {
      return try read(ZipArchive(contentsOf: path))
    } catch let error as RBNError {
      throw error.inFile(path)
    }
  }

  /// Reads a bundle in memory, as from a file.
  package static func read(bytes: [UInt8]) throws -> ModelBundle {
    let storage = try TensorStorage(byteCount: bytes.count)
    bytes.withUnsafeBytes { storage.bytes.copyMemory(from: $0) }
    return try read(ZipArchive(bytes: storage))
  }

  private static func read(_ archive: ZipArchive) throws -> ModelBundle {
    guard archive.entries.first?.name == manifestName else {
      throw RBNError(
        .notABundle, .model, "is not a bundle: its first entry is not \(manifestName)",
        advice: "rbn convert makes bundles of checkpoints and exported programs")
    }
    let manifestBytes = try archive.readBytes(named: manifestName, limit: maximumDocumentByteCount)
    func json(_ bytes: [UInt8], _ name: String) throws -> JSONNode {
      let value = try JSONValue.parse(bytes, document: name, fileByteCount: archive.byteCount)
      return JSONNode(value, document: name)
    }
    let manifest = try BundleManifest(json(manifestBytes, manifestName))
    let entries = try CheckedEntries(archive, manifest)
    let graph = try json(entries.bytes(graphName, limit: maximumDocumentByteCount), graphName)
    let weightTable = try json(entries.bytes(weightsName, limit: maximumDocumentByteCount), weightsName)
    var bundle = ModelBundle(
      manifest: manifest, graph: graph.value, weights: try readWeights(weightTable, entries),
      golden: try readGolden(entries))
    if let name = manifest.labelsEntry { bundle.labels = try readLabels(entries, name) }
    bundle.identity = try SHA256.hexDigest(of: manifestBytes)
    return bundle
  }

  private static func readLabels(_ entries: CheckedEntries, _ name: String) throws -> [String] {
    let bytes = try entries.bytes(name, limit: maximumDocumentByteCount)
    guard bytes.count(where: { $0 == UInt8(ascii: "\n") }) <= maximumLabelCount else {
      throw RBNError(
        .malformedBundle, .model, location: name, "has more than the \(maximumLabelCount) labels there may be"
      )
    }
    // Split as bytes: a Character may join a line break with what follows it.
    var lines = try bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
      guard let label = String(validating: line, as: UTF8.self) else {
        throw RBNError(.malformedBundle, .model, location: name, "is not UTF-8")
      }
      return label
    }
    if lines.last == "" { lines.removeLast() }
    return lines
  }

  private static func readGolden(_ entries: CheckedEntries) throws -> [(name: String, tensor: Tensor)] {
    try entries.names.filter { $0.hasPrefix(goldenFolder) }.map { name in
      guard name.hasSuffix(".npy") else {
        throw RBNError(
          .malformedBundle, .model, location: name, "is not an array: its name does not end in .npy")
      }
      do {
        return (
          String(name.dropFirst(goldenFolder.count).dropLast(4)), try NumPy.array(in: entries.storage(name))
        )
      } catch var error as RBNError {
        error.subject = .model
        throw error.at(name)
      }
    }
  }

  // MARK: Weights

  private static func readWeights(_ table: JSONNode, _ entries: CheckedEntries) throws
    -> [(key: String, tensor: Tensor)]
  {
    // Keys that share an entry share the tensor, as tied weights do.
    var known: [String: Tensor] = [:]
    let members = try table.members()
    var storages = readAhead(members.compactMap { try? $0.1.member("entry").string() }) {
      try entries.storage($0)
    }
    return try members.map { key, node in
      let name = try node.member("entry").string()
      let logical = try dtype(try node.member("dtype"))
      let stored = try node.optionalMember("stored").map(dtype) ?? logical
      let shape = Shape(try node.member("shape").list(BundleManifest.size))
      guard stored == logical || (logical == .float32 && (stored == .float16 || stored == .bfloat16)) else {
        throw node.failure("a \(logical) tensor can't be stored as \(stored)", .bundleDType)
      }
      if let tensor = known[name] {
        guard tensor.dtype == logical, tensor.shape == shape else {
          throw node.failure("\(name) is used before as \(tensor), and here otherwise", .bundleWeightSize)
        }
        return (key, tensor)
      }
      let storage = try storages.removeValue(forKey: name) ?? entries.storage(name)
      guard let byteCount = try? shape.byteCount(of: stored), byteCount == storage.bytes.count else {
        throw node.failure(
          "a \(stored) tensor of shape \(shape) is not what the \(storage.bytes.count) bytes of \(name) hold",
          .bundleWeightSize)
      }
      let raw = try Tensor(shape: shape, dtype: stored, storage: storage)
      let tensor = stored == logical ? raw : try Widening.float32(raw)
      known[name] = tensor
      return (key, tensor)
    }
  }
}

/// The entries of a bundle, each checked against the manifest when it is read.
private struct CheckedEntries: Sendable {
  let archive: ZipArchive
  /// In the archive's order, without the manifest.
  let names: [String]
  private let listed: [String: BundleManifest.Entry]

  init(_ archive: ZipArchive, _ manifest: BundleManifest) throws {
    self.archive = archive
    listed = Dictionary(manifest.entries.map { ($0.name, $0.entry) }) { first, _ in first }
    names = archive.entries.map(\.name).filter { $0 != ModelBundle.manifestName }
    for name in names where listed[name] == nil {
      throw RBNError(
        .unlistedBundleEntry, .model, location: name, "is in the archive and not in the manifest")
    }
    for (name, entry) in manifest.entries {
      guard let found = archive.entry(name), name != ModelBundle.manifestName else {
        throw Self.missing(name)
      }
      guard found.byteCount == entry.byteCount else {
        throw RBNError(
          .bundleEntrySize, .model, location: name,
          "has \(found.byteCount) bytes, and the manifest says \(entry.byteCount)")
      }
    }
  }

  private static func missing(_ name: String) -> RBNError {
    RBNError(.missingBundleEntry, .model, location: name, "should be in the bundle and is not")
  }

  private func found(_ name: String) throws -> (ZipArchive.Entry, BundleManifest.Entry) {
    guard let entry = archive.entry(name), let expected = listed[name] else { throw Self.missing(name) }
    return (entry, expected)
  }

  func storage(_ name: String) throws -> TensorStorage {
    let (entry, expected) = try found(name)
    let storage = try archive.read(entry)
    try check(try SHA256.hexDigest(of: UnsafeRawBufferPointer(storage.bytes)), expected, name)
    return storage
  }

  func bytes(_ name: String, limit: Int) throws -> [UInt8] {
    let (_, expected) = try found(name)
    let bytes = try archive.readBytes(named: name, limit: limit)
    try check(try SHA256.hexDigest(of: bytes), expected, name)
    return bytes
  }

  private func check(_ digest: String, _ expected: BundleManifest.Entry, _ name: String) throws {
    guard digest == expected.sha256.lowercased() else {
      throw RBNError(
        .bundleDigest, .model, location: name,
        "is not the entry that the manifest describes: its SHA-256 differs",
        advice: "the bundle was altered or damaged: get it again")
    }
  }
}

/// Exact conversions of the two 16-bit formats to float32, written so that they vectorise.
enum Widening {
  /// A float32 tensor of a float16 or bfloat16 one.
  static func float32(_ tensor: Tensor) throws -> Tensor {
    try Tensor(shape: tensor.shape, dtype: .float32) { target in
      tensor.withUnsafeBytes { source in
        let halves = source.assumingMemoryBound(to: UInt16.self)
        let words = target.bindMemory(to: UInt32.self)
        if tensor.dtype == .bfloat16 {
          for index in 0..<halves.count { words[index] = UInt32(truncatingIfNeeded: halves[index]) << 16 }
        } else {
          for index in 0..<halves.count {
            words[index] = bits(float16: UInt32(truncatingIfNeeded: halves[index]))
          }
        }
      }
    }
  }

  /// The bits of the float32 with the value of a float16.
  ///
  /// Exponent and fraction move into place, where they read as the value times 2^-112: one exact multiplication
  /// puts that right, for subnormal numbers too. Infinities and NaNs get the largest exponent instead.
  @inline(__always)
  private static func bits(float16 half: UInt32) -> UInt32 {
    let shifted = (half & 0x7FFF) << 13
    let scaled = (Float(bitPattern: shifted) * Float(bitPattern: 0x7780_0000)).bitPattern
    let magnitude = half & 0x7C00 == 0x7C00 ? shifted | 0x7F80_0000 : scaled
    return magnitude | (half & 0x8000) << 16
  }
}
