import RBNFormats

/// What a file holds besides data, found without loading it: the names in its pickles that could do something when
/// Python loads them, and programs.
///
/// This works by an allow-list of the names that make only data (tensors, arrays, containers, plain values), so it
/// needs no list of what is dangerous. Nothing in the file is executed or looked up.
public struct FileScan: Codable, Hashable, Sendable {
  /// The answer.
  public enum Verdict: String, Codable, Hashable, Sendable {
    /// The whole file was looked into, and holds only data.
    case onlyData = "only-data"
    /// It holds more: see ``FileScan/findings``.
    case notOnlyData = "not-only-data"
    /// Nothing was found, and parts of the file could not be looked into: see ``FileScan/problems``.
    case unknown
  }

  /// Why a finding is more than data.
  public enum Concern: String, Codable, Hashable, Sendable {
    /// A name from a module that runs code or reaches the system, such as `os.system`.
    case unsafe
    /// A name that is not known to make only data: a class of somebody's package, a function.
    case foreign
    /// A name that the pickle puts together while it is read.
    case hidden
    /// Source text or byte code beside the data, such as that of TorchScript.
    case program
  }

  /// Something that is more than data.
  public struct Finding: Codable, Hashable, Sendable {
    /// Why it is more than data.
    public var concern: Concern
    /// The dotted module of a name; nil for programs and hidden names.
    public var module: String?
    /// The class or function in the module, or the file of a program; nil for hidden names.
    public var name: String?
    /// The entry of the archive, `!/` between nested ones; nil for the file itself.
    public var entry: String?
    /// The place in the entry, in bytes.
    public var byte: Int
    /// The opcode of the pickle that looks the name up, as `pickletools` calls it.
    public var opcode: String?
    /// Whether the pickle calls it, and not only names it.
    public var isCalled: Bool

    enum CodingKeys: String, CodingKey {
      case concern, module, name, entry, byte, opcode
      case isCalled = "is_called"
    }
  }

  /// A part that could not be looked into.
  public struct Problem: Codable, Hashable, Sendable {
    /// A stable identifier, as of ``RBNTensor/RBNError/Code``.
    public var code: String
    /// In a sentence.
    public var message: String
  }

  /// The file, as the caller named it.
  public var file: String
  /// What it is: `a checkpoint of torch.save`, `a pickle`, …
  public var kind: String
  /// Its size.
  public var byteCount: Int
  /// The pickles that were looked into.
  public var pickleCount: Int
  /// The answer.
  public var verdict: Verdict
  /// What is more than data, in the file's order.
  public var findings: [Finding]
  /// What could not be looked into.
  public var problems: [Problem]

  enum CodingKeys: String, CodingKey {
    case file, kind, verdict, findings, problems
    case byteCount = "byte_count"
    case pickleCount = "pickle_count"
  }

  /// Looks into a file without loading it: checkpoints of either form, exported programs, bundles, bare pickles of any
  /// protocol, NumPy files, and zip archives of any of these. Of files of other kinds, and of archives that are not
  /// sound, what looks like a pickle is looked into, and the rest is a problem.
  ///
  /// - Throws: `file.unreadable`, naming the file.
  public static func scan(contentsOf path: String) async throws -> FileScan {
    try await CallQueue.shared.run { _ in
      let source = try ByteSource(path: path, subject: .model)
      return FileScan(try RBNFormats.FileScan.scan(source), file: path)
    }
  }

  private init(_ scan: RBNFormats.FileScan, file: String) {
    self.file = file
    kind = scan.kind
    byteCount = scan.byteCount
    pickleCount = scan.pickleCount
    verdict = !scan.findings.isEmpty ? .notOnlyData : scan.problems.isEmpty ? .onlyData : .unknown
    findings = scan.findings.map { finding in
      Finding(
        concern: Concern(finding.concern), module: finding.module, name: finding.name,
        entry: finding.entry.isEmpty ? nil : finding.entry, byte: finding.byte, opcode: finding.opcode,
        isCalled: finding.isCalled)
    }
    problems = scan.problems.map { error in
      Problem(
        code: error.code.rawValue,
        message: [error.location, error.message].compactMap { $0 }.joined(separator: ": "))
    }
  }
}

extension FileScan.Concern {
  fileprivate init(_ concern: RBNFormats.FileScan.Concern) {
    self =
      switch concern {
      case .unsafe: .unsafe
      case .foreign: .foreign
      case .hidden: .hidden
      case .program: .program
      }
  }
}
