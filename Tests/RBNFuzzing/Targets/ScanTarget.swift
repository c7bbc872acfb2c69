import RBNFormats
import RBNTensor

extension FuzzTarget {
  /// What `rbn scan` does, which refuses nothing but reports. It must not miss what the loader finds.
  static let scan = FuzzTarget("scan", mutator: scanMutator) { bytes in
    let source = ByteSource(try TensorStorage(copying: bytes), subject: .model)
    let scan = try FileScan.scan(source)
    for finding in scan.findings { precondition(finding.byte >= 0, "a place before the entry") }
    do {
      _ = try Checkpoint.readStateDict(from: source)
    } catch let error as RBNError where error.code == .unsafeGlobal {
      precondition(
        scan.findings.contains { $0.concern == .unsafe }, "the scan misses an unsafe name: \(error)")
    }
  }

  private static let scanMutator = EitherMutator(
    first: ZipMutator(
      prefers: { $0.hasSuffix(".pkl") },
      payload: { _, bytes, random, raw in PickleMutator().mutate(bytes, random: &random, raw: raw) }),
    second: PickleMutator())
}
