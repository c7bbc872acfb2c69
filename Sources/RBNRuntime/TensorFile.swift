import RBNFormats

/// Tensors in NumPy's files: `.npy` for one, `.npz` for several by name.
public enum TensorFile {
  /// Reads a `.npy` or `.npz` file, told apart by content.
  ///
  /// - Returns: the tensors in the file's order; the name is empty for a `.npy` file.
  /// - Throws: `numpy.…` and `archive.…` errors of subject input that name the file; `file.unreadable`.
  public static func read(contentsOf path: String) throws -> [(name: String, tensor: Tensor)] {
    do {
      switch try FileKind.sniff(path: path) {
      case .npy: return [("", try NumPy.readArray(path))]
      case .npz: return try NumPy.readArchive(path)
      case let kind:
        var error = kind.refusal()
        error.advice = "tensors come as .npy or .npz: numpy.save, numpy.savez"
        throw error
      }
    } catch var error as RBNError {
      if error.subject == .model { error.subject = .input }
      throw error.inFile(path)
    }
  }

  /// Writes a `.npz` file, or a `.npy` file where the path ends so and there is one tensor; it appears complete or not
  /// at all. bfloat16, which NumPy has not, becomes float32.
  ///
  /// - Throws: `usage.invalid-option` for a path that ends otherwise, or in `.npy` for several tensors;
  ///   `file.unwritable`.
  public static func write(_ tensors: [(name: String, tensor: Tensor)], to path: String) throws {
    if path.hasSuffix(".npz") { return try NumPy.write(tensors, to: path) }
    guard path.hasSuffix(".npy") else {
      throw RBNError(
        .invalidOption, .usage, file: path, "tensors are written as .npz, or .npy for a single one",
        advice: "give the file one of these endings")
    }
    guard tensors.count == 1, let first = tensors.first else {
      throw RBNError(
        .invalidOption, .usage, file: path, "a .npy file holds one tensor, and there are \(tensors.count)",
        advice: "write a .npz file")
    }
    try NumPy.write(first.tensor, to: path)
  }
}
