import RBNTensor

/// A checkpoint in the form that `torch.save` wrote before 1.6: five pickles (magic number, protocol, system
/// information, the object, the keys of the storages), then for each key an int64 count of elements and the data.
struct TorchLegacyCheckpoint: CheckpointFile {
  /// 0x1950a86a20f9469cfc6c, as the pickle of an integer holds it.
  static let magic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]

  let pickle: Pickle
  /// The data of a legacy stream are little-endian; streams of other machines are refused.
  let isBigEndian = false
  var byteCount: Int { source.byteCount }

  private struct Place {
    var offset: Int
    var byteCount: Int
  }

  private let source: ByteSource
  private let places: [String: Place]

  /// Reads the pickles and finds the storages, whose data are read when they are asked for.
  ///
  /// - Throws: a `checkpoint.…` or `pickle.…` error, `file.unreadable`.
  init(_ source: ByteSource) throws {
    self.source = source
    let magic = try Unpickler.read(source, name: "magic number")
    guard case .bigInt(Self.magic) = magic.node(magic.root) else {
      throw RBNError(.legacyPreamble, .model, "does not begin with the magic number of torch.save")
    }
    let version = try Unpickler.read(source, from: magic.end, name: "protocol version")
    guard case .int(1001) = version.root else {
      throw RBNError(
        .legacyPreamble, .model,
        "has the protocol version \(version.summary(version.root)), and only 1001 is known")
    }
    let system = try Unpickler.read(source, from: version.end, name: "system information")
    try Self.checkSystem(system)
    pickle = try Unpickler.read(source, from: system.end, name: "object")
    let keys = try Unpickler.read(source, from: pickle.end, name: "storage keys")
    places = try Self.places(source, keys: keys, of: pickle)
  }

  func read(_ storage: StorageReference) throws -> TensorStorage {
    guard let place = places[storage.key] else { throw missing(storage) }
    guard place.byteCount == storage.byteCount else { throw wrongSize(storage, found: place.byteCount) }
    return try source.storage(at: place.offset, count: place.byteCount)
  }

  private static func checkSystem(_ system: Pickle) throws {
    guard let items = system.items(system.root) else {
      throw RBNError(.legacyPreamble, .model, "has no system information behind its protocol version")
    }
    let order = items.last { item in
      if case .string("little_endian") = item.key { return true }
      return false
    }
    switch order?.value {
    case .bool(true): return
    case .bool(false):
      throw RBNError(
        .byteOrder, .model, "was written by a big-endian machine in the legacy form, which is not read",
        advice: "load it there with a current torch and save it again")
    default: throw RBNError(.legacyPreamble, .model, "does not say which byte order it has")
    }
  }

  /// Walks over the storages, whose element sizes only the object knows.
  private static func places(_ source: ByteSource, keys: Pickle, of pickle: Pickle) throws -> [String: Place]
  {
    guard let list = keys.list(keys.root) else {
      throw RBNError(
        .storageTable, .model, "has \(keys.summary(keys.root)) where the keys of its storages belong")
    }
    let references = try storages(of: pickle)
    var places = [String: Place](minimumCapacity: list.count)
    var position = keys.end
    for value in list {
      guard case .string(let key) = value, let storage = references[key] else {
        throw RBNError(
          .storageTable, .model,
          "lists \(keys.summary(value)) as the key of a storage that no tensor refers to")
      }
      guard source.byteCount - position >= 8 else { throw truncated(key, source) }
      let header = try source.bytes(at: position, count: 8)
      let count = header.reversed().reduce(into: UInt64(0)) { $0 = $0 << 8 | UInt64($1) }
      position += 8
      guard Int(exactly: count) == storage.count, let byteCount = storage.byteCount else {
        throw RBNError(
          .storageSize, .model, location: "storage \(key)",
          "has \(count) elements, and its tensors expect \(storage.count)")
      }
      guard byteCount <= source.byteCount - position else { throw truncated(key, source) }
      guard places.updateValue(Place(offset: position, byteCount: byteCount), forKey: key) == nil else {
        throw RBNError(.storageTable, .model, location: "storage \(key)", "is listed twice")
      }
      position += byteCount
    }
    guard position == source.byteCount else {
      throw RBNError(
        .trailingStorages, .model, "has \(source.byteCount - position) bytes behind the last storage")
    }
    return places
  }

  private static func truncated(_ key: String, _ source: ByteSource) -> RBNError {
    RBNError(
      .truncatedStorages, .model, location: "storage \(key)",
      "ends beyond the end of the file, which has \(source.byteCount) bytes",
      advice: "copy or download the file again")
  }

  /// Every storage that the object refers to, also where nothing asks for it.
  private static func storages(of pickle: Pickle) throws -> [String: StorageReference] {
    var references: [String: StorageReference] = [:]
    for identifier in pickle.persistentIDs {
      // Other objects are stored outside too: the source text of modules.
      guard let parts = pickle.tuple(identifier), case .string("storage") = parts.first else { continue }
      let reference = try StorageReference(identifier: identifier, in: pickle)
      if let known = references.updateValue(reference, forKey: reference.key), known != reference {
        throw RBNError(
          .storageTable, .model, location: "storage \(reference.key)",
          "is described in two ways, as \(known.count) elements of \(known.element.name) and as "
            + "\(reference.count) of \(reference.element.name)")
      }
    }
    return references
  }
}
