import RBNTensor

extension ExportedProgram {
  private static let maximumDocumentByteCount = 1 << 28
  static let reexport = "re-export with a newer torch"

  /// Reads a `.pt2` archive of `torch.export.save`, torch 2.5 or newer.
  ///
  /// Nothing in it is executed: weights that are pickles and objects other than tensors are refused.
  ///
  /// - Throws: an `exported-program.…`, `archive.…`, `json.…` or `tensor.…` error for each rule it breaks.
  package init(contentsOf path: String) throws {
    do {
      try self.init(ZipArchive(contentsOf: path))
    } catch let error as RBNError {
      throw error.inFile(path)
    }
  }

  /// Reads an archive in memory, as from a file.
  package init(bytes: TensorStorage) throws { try self.init(ZipArchive(bytes: bytes)) }

  init(_ archive: ZipArchive) throws {
    if Self.isFlat(archive) {
      try self.init(flat: archive)
      try checkSignature()
      return
    }
    let root = try Self.rootFolder(of: archive)
    for (name, expected) in [("archive_format", "pt2"), ("archive_version", "0")] {
      let found = try Self.text(archive, root + name)
      guard found == expected else {
        throw RBNError(
          .exportedProgramVersion, .model, location: root + name,
          "is \(found.debugDescription), not \(expected)")
      }
    }
    let swaps = try Self.isBigEndian(archive, root + "byteorder")
    let model = try Self.modelName(in: archive, root: root)
    let document = "\(root)models/\(model).json"
    try self.init(try Self.json(archive, document))
    func tensors(_ kind: String) throws -> [(key: String, tensor: Tensor)] {
      let folder = "\(root)data/\(kind)/"
      return try Self.readPickled(archive, "\(folder)\(model).pt")
        ?? Self.readTensors(archive, folder: folder, config: "\(model)_\(kind)_config.json", swaps: swaps)
    }
    weights = try tensors("weights")
    constants = try tensors("constants")
    try checkSignature()
  }

  /// The one folder that holds everything, with its slash.
  private static func rootFolder(of archive: ZipArchive) throws -> String {
    let names = archive.entries.map(\.name)
    let roots = Set(names.map { String($0.prefix { $0 != "/" }) })
    guard roots.count == 1, let root = roots.first.map({ $0 + "/" }),
      names.contains(where: { $0.hasPrefix(root + "models/") || $0 == root + "archive_format" })
    else {
      let isTorchSave = names.contains { $0.hasSuffix("/data.pkl") }
      throw RBNError(
        .notAnExportedProgram, .model, "is not an archive of torch.export",
        advice: isTorchSave ? "this is what torch.save writes: load it as a checkpoint" : nil)
    }
    return root
  }

  private static func modelName(in archive: ZipArchive, root: String) throws -> String {
    let folder = root + "models/"
    let names = archive.entries.map(\.name).filter { $0.hasPrefix(folder) && $0.hasSuffix(".json") }
      .map { String($0.dropFirst(folder.count).dropLast(5)) }
    if names.count == 1 { return names[0] }
    if names.contains("model") { return "model" }
    throw RBNError(
      .ambiguousExportedModel, .model,
      names.isEmpty
        ? "holds no exported model"
        : "holds \(names.count) models, none of them called model: \(names.prefix(8))")
  }

  static func text(_ archive: ZipArchive, _ name: String) throws -> String {
    let bytes = try archive.readBytes(named: name, limit: 64)
    return String(String(decoding: bytes, as: UTF8.self).prefix { !$0.isNewline })
  }

  private static func isBigEndian(_ archive: ZipArchive, _ name: String) throws -> Bool {
    guard archive.entry(name) != nil else { return false }
    return switch try text(archive, name) {
    case "little": false
    case "big": true
    case let other:
      throw RBNError(
        .exportedProgramVersion, .model, location: name,
        "is \(other.debugDescription), neither little nor big")
    }
  }

  static func json(_ archive: ZipArchive, _ name: String, acceptsNonFinite: Bool = false) throws -> JSONNode {
    let bytes = try archive.readBytes(named: name, limit: maximumDocumentByteCount)
    let value = try JSONValue.parse(
      bytes, document: name, acceptsNonFinite: acceptsNonFinite, fileByteCount: archive.byteCount)
    return JSONNode(value, document: name)
  }

  // MARK: Weights

  private static func readTensors(_ archive: ZipArchive, folder: String, config: String, swaps: Bool) throws
    -> [(key: String, tensor: Tensor)]
  {
    guard archive.entry(folder + config) != nil else {
      guard archive.entries.contains(where: { $0.name.hasPrefix(folder) }) else { return [] }
      throw RBNError(
        .outdatedExportedProgram, .model, location: folder + config,
        "is missing, so the weights can't be told apart",
        advice: reexport)
    }
    let members = try json(archive, folder + config).member("config").members()
    var storages = readAhead(members.compactMap { try? $0.1.member("path_name").string() }) {
      try archive.read(try archive.requiredEntry(folder + $0))
    }
    // Views that are copied may take what the file could honestly need, however often they show one storage.
    let total = archive.entries.reduce(0) { $0 + $1.byteCount }
    var budget = max(StridedTensor.defaultLimit, total)
    return try members.map { key, payload in
      let name = try payload.member("path_name").string()
      let isPickle = try payload.optionalMember("use_pickle")?.bool() ?? false
      guard !isPickle, !name.hasPrefix("custom_obj_"), !name.hasPrefix("opaque_obj_") else {
        throw payload.failure(
          "\(key) is a pickled object, which only Python can read", .pickledWeight,
          advice: "make it an ordinary tensor before torch.export.save")
      }
      guard let metaNode = try payload.optionalMember("tensor_meta") else {
        throw payload.failure("\(key) has no tensor_meta", .malformedWeight)
      }
      let meta = try TensorMeta(metaNode)
      let storage: TensorStorage
      if let known = storages[name] {
        storage = known
      } else {
        storage = try archive.read(try archive.requiredEntry(folder + name))
        storages[name] = storage
      }
      let tensor = try view(storage, meta, at: metaNode, swaps: swaps, budget: budget)
      if tensor.storage !== storage {
        guard tensor.byteCount <= budget else {
          throw payload.failure(
            "\(key) and the views before it repeat too few bytes too often", .oversizedView)
        }
        budget -= tensor.byteCount
      }
      return (key, tensor)
    }
  }

  private static func view(
    _ storage: TensorStorage, _ meta: TensorMeta, at node: JSONNode, swaps: Bool, budget: Int
  ) throws -> Tensor {
    guard let dtype = meta.scalarType.dtype else {
      throw node.failure("the dtype with the code \(meta.scalarType.code) is not supported", .malformedWeight)
    }
    guard meta.layout == .strided else {
      throw node.failure("the layout with the code \(meta.layout.code) is not strided", .malformedWeight)
    }
    func number(_ size: SymInt) throws -> Int {
      guard case .int(let number) = size else {
        throw node.failure("a weight has a size that is not a number", .malformedWeight)
      }
      return number
    }
    do {
      return try StridedTensor.materialise(
        storage: storage, dtype: dtype, offset: try number(meta.storageOffset),
        shape: try meta.sizes.map(number), strides: try meta.strides.map(number), swappingBytes: swaps,
        limit: budget)
    } catch let error as RBNError {
      var located = error.at(node.place)
      located.subject = error.subject == .input ? .model : error.subject
      throw located
    }
  }

  /// Every parameter, buffer and constant that the signature names must be there.
  private func checkSignature() throws {
    let known = Set(weights.map(\.key)).union(constants.map(\.key))
    for spec in inputSpecs {
      switch spec {
      case .parameter(_, let key), .buffer(_, let key, _), .tensorConstant(_, let key):
        guard known.contains(key) else {
          throw RBNError(
            .missingWeight, .model, location: key, "is in the signature, and the archive has no such tensor")
        }
      case .userInput, .constantInput, .unsupported: break
      }
    }
  }
}
