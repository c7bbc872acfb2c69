import RBNTensor

/// A checkpoint opened for reading: what its pickle says, and the storages beside it.
protocol CheckpointFile: Sendable {
  /// The object that was saved.
  var pickle: Pickle { get }
  /// Whether the storages have the bytes of their elements in the other order.
  var isBigEndian: Bool { get }
  /// The size of the whole file.
  var byteCount: Int { get }

  /// The bytes of a storage, after a check of their number.
  ///
  /// - Throws: `checkpoint.missing-storage`, `checkpoint.storage-size`, and what reading throws.
  func read(_ storage: StorageReference) throws -> TensorStorage
}

extension CheckpointFile {
  func missing(_ storage: StorageReference) -> RBNError {
    RBNError(
      .missingStorage, .model,
      "refers to the storage \(storage.key.debugDescription), which is not in the file",
      advice: "copy or download the file again")
  }

  func wrongSize(_ storage: StorageReference, found: Int) -> RBNError {
    RBNError(
      .storageSize, .model,
      "needs \(storage.count) elements of \(storage.element.name) in the storage "
        + "\(storage.key.debugDescription), which has \(found) bytes",
      advice: "copy or download the file again")
  }
}

/// Bounds of what a checkpoint may take.
enum CheckpointLimits {
  /// Bytes of the pickle in a zip.
  static let pickleByteCount = 1 << 28
  /// Bytes of the small entries that describe the archive.
  static let noteByteCount = 64
}
