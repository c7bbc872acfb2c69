import RBNFormats
import RBNTensor

extension FuzzTarget {
  /// Pickles: those of a zip's entries, or the bytes themselves as a run of pickles.
  static let pickle = FuzzTarget("pickle", mutator: PickleOrZipMutator()) { bytes in
    let pickles = ZipParts(bytes)?.entries.filter { $0.text.hasSuffix(".pkl") }.map(\.payload) ?? [bytes]
    for pickle in pickles {
      let source = ByteSource(try TensorStorage(copying: pickle), subject: .model)
      var position = 0
      while position < pickle.count {
        let read = try Unpickler.read(source, from: position, name: "pickle")
        precondition(read.end > position && read.end <= pickle.count, "a pickle ends outside its bytes")
        precondition(read.nodes.count <= pickle.count, "a byte makes more than one value")
        _ = read.summary(read.root)
        position = read.end
      }
    }
  }

  /// Checkpoints of torch.save in a zip.
  static let checkpoint = FuzzTarget("checkpoint", mutator: checkpointMutator, readStateDict)

  /// Checkpoints of torch.save before 1.6.
  static let legacy = FuzzTarget("legacy", mutator: PickleMutator(), readStateDict)

  private static let checkpointMutator = ZipMutator(
    prefers: { $0.hasSuffix(".pkl") },
    payload: { name, bytes, random, raw in
      name.hasSuffix(".pkl") ? PickleMutator().mutate(bytes, random: &random, raw: raw) : nil
    })

  @Sendable private static func readStateDict(_ bytes: [UInt8]) throws {
    let source = ByteSource(try TensorStorage(copying: bytes), subject: .model)
    let state = try Checkpoint.readStateDict(from: source)
    for entry in state.entries {
      let (expected, overflow) = entry.tensor.shape.dimensions.reduce((1, false)) { product, size in
        let (next, overflow) = product.0.multipliedReportingOverflow(by: size)
        return (next, product.1 || overflow)
      }
      precondition(!overflow && entry.tensor.count == expected, "a tensor has not the size of its shape")
      // Touches every byte, so that a view outside its storage is seen.
      _ = entry.tensor.withUnsafeBytes { $0.reduce(UInt8(0), ^) }
    }
  }
}

/// Changes the pickle of a checkpoint, or takes it out of its archive.
private struct PickleOrZipMutator: FuzzMutator {
  func mutate(_ bytes: [UInt8], random: inout SplitMix64, raw: RawMutation) -> [UInt8]? {
    if let parts = ZipParts(bytes) { return parts.entries.first { $0.text.hasSuffix(".pkl") }?.payload }
    return PickleMutator().mutate(bytes, random: &random, raw: raw)
  }
}
