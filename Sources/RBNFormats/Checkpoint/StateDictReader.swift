import RBNTensor

/// Reads the tensors of a state dict, and of nothing else, out of a checkpoint.
struct StateDictReader {
  private let file: any CheckpointFile
  /// Storages by their keys, so that tensors which share one share it here.
  private var storages: [String: TensorStorage] = [:]
  /// Bytes that may still be spent on copies of views. Tensors that only borrow their storage are bounded by
  /// the file; views that must be copied are not, because many can show the same storage.
  private var copyBudget: Int

  private static let spareCopyBytes = 1 << 30

  init(_ file: any CheckpointFile) {
    self.file = file
    let (doubled, overflow) = file.byteCount.multipliedReportingOverflow(by: 2)
    copyBudget = overflow ? Int.max : doubled.addingReportingOverflow(Self.spareCopyBytes).partialValue
    if copyBudget < 0 { copyBudget = Int.max }
  }

  /// Reads the state dict at `stateDictKey`, or the only one.
  mutating func read(stateDictKey: String?) throws -> StateDict {
    let pickle = file.pickle
    let search = StateDictSearch(pickle)
    let candidate = try search.find(key: stateDictKey)
    var entries: [StateDict.Entry] = []
    entries.reserveCapacity(candidate.tensorCount)
    var ignored: [StateDict.IgnoredEntry] = []
    try Task.checkCancellation()
    readStorages(of: candidate.items.map(\.value))
    for item in candidate.items {
      try Task.checkCancellation()
      let isTensor = TensorRebuild.isTensor(item.value, in: pickle)
      guard case .string(let key) = item.key else {
        guard !isTensor else {
          throw RBNError(
            .invalidKey, .model, location: candidate.path.isEmpty ? nil : candidate.path,
            "has a tensor under \(pickle.summary(item.key)), and the keys of a state dict are text")
        }
        ignored.append(.init(key: pickle.summary(item.key), summary: pickle.summary(item.value)))
        continue
      }
      if isTensor {
        entries.append(.init(key: key, tensor: try tensor(item.value, key: key)))
      } else if search.isOpaqueTensor(item) {
        throw RBNError(
          .unsupportedTensor, .model, location: key,
          "is an object of \(pickle.className(item.value)) that holds data, not a tensor",
          advice: "convert it in PyTorch to plain tensors and save the state_dict again")
      } else {
        ignored.append(.init(key: key, summary: pickle.summary(item.value)))
      }
    }
    let prefix = StateDict.wrapperPrefix(of: entries.map(\.key))
    if !prefix.isEmpty {
      entries = entries.map { .init(key: String($0.key.dropFirst(prefix.count)), tensor: $0.tensor) }
    }
    return try StateDict(entries: entries, ignored: ignored, path: candidate.path, strippedPrefix: prefix)
  }

  /// Reads the storages of all tensors among some values.
  private mutating func readStorages(of values: [PickleValue]) {
    var wanted: [StorageReference] = []
    var keys = Set<String>()
    for value in values where TensorRebuild.isTensor(value, in: file.pickle) {
      guard let storage = try? TensorRebuild.describe(value, in: file.pickle).storage else { continue }
      if keys.insert(storage.key).inserted { wanted.append(storage) }
    }
    let file = file
    for (reference, block) in readAhead(wanted, { try file.read($0) }) { storages[reference.key] = block }
  }

  /// Reads a saved dict that holds tensors and nothing else, by its keys as they are: what the earlier layouts of
  /// `torch.export` hold.
  ///
  /// - Throws: `exported-program.pickled-weight` for an entry that is no tensor; as ``read(stateDictKey:)``.
  mutating func readTable() throws -> [(key: String, tensor: Tensor)] {
    let pickle = file.pickle
    guard let items = pickle.items(pickle.root) else {
      throw RBNError(.noStateDict, .model, "holds \(pickle.summary(pickle.root)), not a dict of tensors")
    }
    readStorages(of: items.map(\.value))
    let entries = try items.map { item in
      try Task.checkCancellation()
      guard case .string(let key) = item.key, TensorRebuild.isTensor(item.value, in: pickle) else {
        throw RBNError(
          .pickledWeight, .model, location: pickle.summary(item.key),
          "is \(pickle.summary(item.value)), not a tensor, and only Python can read it",
          advice: "make it an ordinary tensor before torch.export.save")
      }
      return StateDict.Entry(key: key, tensor: try tensor(item.value, key: key))
    }
    return try StateDict(entries: entries).entries.map { ($0.key, $0.tensor) }
  }

  private mutating func tensor(_ value: PickleValue, key: String) throws -> Tensor {
    do {
      let description = try TensorRebuild.describe(value, in: file.pickle)
      let storage = try storage(description.storage)
      let swaps = file.isBigEndian && description.dtype.byteSize > 1
      if swaps || !StridedTensor.isContiguous(shape: description.shape, strides: description.strides) {
        let byteCount = try Shape(description.shape).byteCount(of: description.dtype)
        guard byteCount <= copyBudget else {
          throw RBNError(
            .oversizedView, .model,
            "is a view of \(byteCount) bytes of a storage of \(storage.bytes.count), over the limit of "
              + "\(copyBudget) that is left for copies of views",
            advice: "save the tensor with .clone() or .contiguous()")
        }
        copyBudget -= byteCount
      }
      return try StridedTensor.materialise(
        storage: storage, dtype: description.dtype, offset: description.offset, shape: description.shape,
        strides: description.strides, swappingBytes: file.isBigEndian)
    } catch let error as RBNError {
      var error = error.at(key)
      // Shapes that no tensor has are the model's fault here.
      if error.subject == .input { error.subject = .model }
      if error.location != key { error.message += ", and \(key) needs it" }
      throw error
    }
  }

  private mutating func storage(_ reference: StorageReference) throws -> TensorStorage {
    if let storage = storages[reference.key] {
      guard storage.bytes.count == reference.byteCount else {
        throw file.wrongSize(reference, found: storage.bytes.count)
      }
      return storage
    }
    let storage = try file.read(reference)
    storages[reference.key] = storage
    return storage
  }
}
