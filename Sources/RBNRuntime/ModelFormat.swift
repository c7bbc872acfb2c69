import RBNFormats

/// The kinds of files that networks come in. Files are told apart by content, not by name.
public enum ModelFormat: String, Codable, Hashable, Sendable {
  /// A state dict or training checkpoint of `torch.save` (`.pth`, `.pt`).
  case checkpoint
  /// A program of `torch.export` (`.pt2`).
  case exportedProgram = "exported-program"
  /// A bundle of this package (`.rbn`).
  case bundle

  /// Looks at the content of a file.
  ///
  /// - Throws: an error of subject model for a file that is none of these.
  init(path: String) throws {
    do {
      let kind = try FileKind.sniff(path: path)
      switch kind {
      case .torchZip, .torchLegacy: self = .checkpoint
      case .exportedProgram: self = .exportedProgram
      case .bundle: self = .bundle
      case .npz, .npy, .unknown: throw kind.refusal()
      }
    } catch let error as RBNError {
      throw error.inFile(path)
    }
  }
}
