import RBNFormats
import RBNTensor

extension FuzzTarget {
  /// Zip archives: the structural check, libzip's, and every payload.
  static let archive = FuzzTarget("archive", mutator: ZipMutator()) { bytes in
    let storage = try TensorStorage(copying: bytes)
    var options = ZipArchive.Options()
    options.maximumInflatedByteCount = 1 << 24
    for allowsDeflate in [false, true] {
      options.allowsDeflate = allowsDeflate
      do {
        let archive = try ZipArchive(bytes: storage, options: options)
        var end = 0
        for entry in archive.entries.sorted(by: { $0.dataOffset < $1.dataOffset }) {
          precondition(entry.dataOffset >= end && entry.dataOffset <= bytes.count, "entries overlap")
          end = entry.dataOffset
          _ = try? archive.read(entry)
        }
      } catch  where !allowsDeflate {}
    }
  }
}
