import RBNTensor

/// The rules that a checkpoint must keep, and the files that are taken for one.
extension RBNError.Code {
  // Files that hold no weights, by what they are instead.

  /// A file without bytes.
  package static let emptyFile = Self("checkpoint.empty-file")
  /// The page of a web site, saved in place of the file.
  package static let webPage = Self("checkpoint.web-page")
  /// The pointer that git-lfs leaves where it did not fetch the file.
  package static let lfsPointer = Self("checkpoint.lfs-pointer")
  /// A TorchScript program.
  package static let torchScript = Self("checkpoint.torchscript")
  /// The tar format of torch before 0.1.10.
  package static let tarFormat = Self("checkpoint.tar-format")
  /// A pickle that torch.save did not write.
  package static let barePickle = Self("checkpoint.bare-pickle")
  /// A file of another format.
  package static let otherFormat = Self("checkpoint.other-format")

  // The zip form.

  /// Entries under more than one root folder, or under none.
  package static let archiveRoot = Self("checkpoint.archive-root")
  /// A version entry that is missing or no number.
  package static let missingVersion = Self("checkpoint.missing-version")
  /// A version that torch itself does not read.
  package static let unsupportedVersion = Self("checkpoint.unsupported-version")
  /// A byte order that is neither little nor big.
  package static let byteOrder = Self("checkpoint.byte-order")

  // The legacy stream.

  /// A preamble that is not that of torch.save.
  package static let legacyPreamble = Self("checkpoint.legacy-preamble")
  /// A table of storages that contradicts the tensors.
  package static let storageTable = Self("checkpoint.storage-table")
  /// The file ends before the storages do.
  package static let truncatedStorages = Self("checkpoint.truncated")
  /// Bytes behind the last storage.
  package static let trailingStorages = Self("checkpoint.trailing-bytes")

  // Tensors.

  /// A storage that is not there.
  package static let missingStorage = Self("checkpoint.missing-storage")
  /// A storage whose size is not what its tensors say.
  package static let storageSize = Self("checkpoint.storage-size")
  /// A tensor whose description is not well formed.
  package static let malformedTensor = Self("checkpoint.malformed-tensor")
  /// A kind of tensor that is not read: quantized, sparse, nested, of a subclass, a NumPy array.
  package static let unsupportedTensor = Self("checkpoint.unsupported-tensor")
  /// An element type that is not read: complex, float8.
  package static let unsupportedElement = Self("checkpoint.unsupported-dtype")

  // State dicts.

  /// No state dict was found.
  package static let noStateDict = Self("checkpoint.no-state-dict")
  /// More than one state dict was found.
  package static let ambiguousStateDict = Self("checkpoint.ambiguous-state-dict")
  /// A whole model object, whose class alone knows what its parts are.
  package static let pickledModel = Self("checkpoint.pickled-model")
  /// The key asked for leads nowhere.
  package static let unknownStateDictKey = Self("checkpoint.unknown-state-dict-key")
  /// A key of a state dict that is not text.
  package static let invalidKey = Self("checkpoint.invalid-key")
  /// A key that occurs twice.
  package static let duplicateKey = Self("checkpoint.duplicate-key")
}
