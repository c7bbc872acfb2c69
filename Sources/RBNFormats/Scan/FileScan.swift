import RBNTensor

/// What a file holds besides data, found without loading it.
package struct FileScan: Sendable {
  /// Why a finding is more than data.
  package enum Concern: String, Sendable {
    /// A name from a module that runs code or reaches the system.
    case unsafe
    /// A name that is not known to make only data: a class of somebody's package, a function.
    case foreign
    /// A name that is put together while the pickle is read, so that only running it would tell which.
    case hidden
    /// Source text or byte code, such as that of TorchScript.
    case program
  }

  /// Something that is more than data.
  package struct Finding: Sendable {
    package var concern: Concern
    /// The dotted module, of names.
    package var module: String?
    /// The class or function in it; the file's name, of programs.
    package var name: String?
    /// The entry in the file, of nested archives joined by `!/`; empty for the file itself.
    package var entry: String
    /// The place in the entry.
    package var byte: Int
    /// The opcode that looks the name up.
    package var opcode: String?
    /// Whether the pickle calls it, and not only names it.
    package var isCalled: Bool
  }

  /// In a few words: `a checkpoint of torch.save`.
  package internal(set) var kind = ""
  package internal(set) var byteCount = 0
  /// The pickles that were looked into.
  package internal(set) var pickleCount = 0
  package internal(set) var findings: [Finding] = []
  /// What could not be looked into, and why.
  package internal(set) var problems: [RBNError] = []

  /// More findings or problems than anybody reads are not kept.
  private static let maximumListed = 1000

  mutating func add(_ finding: Finding) {
    if findings.count < Self.maximumListed { findings.append(finding) }
  }

  mutating func add(_ problem: RBNError, in entry: String) {
    guard problems.count < Self.maximumListed else { return }
    problems.append(entry.isEmpty ? problem : problem.at(entry))
  }

  /// Looks into a file: a checkpoint of `torch.save`, an exported program, a bare pickle, a NumPy file, a zip of any of
  /// these. Of other files, and of archives that are not sound, only what looks like a pickle is looked into.
  ///
  /// - Throws: `file.unreadable`, `CancellationError`.
  package static func scan(_ source: ByteSource) throws -> FileScan {
    var scanner = FileScanner()
    try scanner.scan(source, 0..<source.byteCount, entry: "", depth: 0)
    scanner.result.byteCount = source.byteCount
    return scanner.result
  }
}

extension RBNError.Code {
  /// A file, or a part of one, that `rbn scan` can't look into.
  package static let notScanned = Self("scan.not-read")
}
