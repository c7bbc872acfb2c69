import RBNTensor

/// The files that `torch.save` writes.
package enum Checkpoint {
  /// Reads a state dict from a checkpoint, without executing anything that the file says.
  ///
  /// Only the tensors of the state dict are read. Those that are contiguous borrow the storages that were
  /// read; tensors that share a storage in the file share it here. The prefixes of wrappers (`module.` of
  /// DataParallel, `_orig_mod.` of torch.compile) are taken off where all keys carry them.
  ///
  /// - Parameter stateDictKey: where the state dict is in the saved object: dotted keys, `.` for the top
  ///   level. Nil when it is to be found, which succeeds where there is only one.
  /// - Throws: `RBNError` with a code of the areas `archive`, `checkpoint`, `pickle` or `tensor`, naming the
  ///   file and the entry or key; `file.unreadable`; `CancellationError`.
  package static func readStateDict(from path: String, stateDictKey: String? = nil) throws -> StateDict {
    do {
      return try readStateDict(from: ByteSource(path: path, subject: .model), stateDictKey: stateDictKey)
    } catch let error as RBNError {
      throw error.inFile(path)
    }
  }

  /// Reads a state dict from bytes, as ``readStateDict(from:stateDictKey:)-(String,_)`` does from a file.
  package static func readStateDict(from source: ByteSource, stateDictKey: String? = nil) throws -> StateDict
  {
    var reader = StateDictReader(try open(source))
    return try reader.read(stateDictKey: stateDictKey)
  }

  /// Reads a dict of tensors inside of another file, as ``StateDictReader/readTable()``.
  static func readTable(_ bytes: TensorStorage) throws -> [(key: String, tensor: Tensor)] {
    var reader = StateDictReader(try open(ByteSource(bytes, subject: .model)))
    return try reader.readTable()
  }

  private static func open(_ source: ByteSource) throws -> any CheckpointFile {
    let kind = try FileKind.sniff(source)
    switch kind {
    case .torchZip: return try TorchZipCheckpoint(source)
    case .torchLegacy: return try TorchLegacyCheckpoint(source)
    case .exportedProgram, .bundle, .npz, .npy, .unknown: throw kind.refusal()
    }
  }
}
