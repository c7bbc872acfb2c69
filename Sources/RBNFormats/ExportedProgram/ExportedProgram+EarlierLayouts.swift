import RBNTensor

/// What `torch.export.save` wrote before its present layout. Up to torch 2.7 an archive has no root folder:
///
///     version                              8.7
///     serialized_exported_program.json     the graph
///     serialized_state_dict.pt             a zip of torch.save, or nothing at all
///     serialized_constants.pt              the same
///     serialized_example_inputs.pt         not read
///
/// For some time after, archives had the present tree, with one zip of torch.save for all weights in it.
extension ExportedProgram {
  private static let flatDocument = "serialized_exported_program.json"

  static func isFlat(_ archive: ZipArchive) -> Bool { archive.entry(flatDocument) != nil }

  init(flat archive: ZipArchive) throws {
    let version = try Self.text(archive, "version")
    guard let major = version.split(separator: ".").first.flatMap({ Int($0) }) else {
      throw RBNError(
        .exportedProgramVersion, .model, location: "version",
        "is \(version.debugDescription), not a version of the schema")
    }
    guard Self.schemaMajorVersions.contains(major) else {
      throw Self.unknownSchema(major, location: "version")
    }
    // Before torch 2.6 a dimension without a bound had Python's infinity as its bound.
    try self.init(try Self.json(archive, Self.flatDocument, acceptsNonFinite: true))
    weights = try Self.requiredTensors(archive, "serialized_state_dict")
    constants = try Self.requiredTensors(archive, "serialized_constants")
  }

  private static func requiredTensors(_ archive: ZipArchive, _ name: String) throws
    -> [(key: String, tensor: Tensor)]
  {
    if let tensors = try readPickled(archive, name + ".pt") { return tensors }
    throw RBNError(
      .outdatedExportedProgram, .model, location: name + ".pt",
      "is missing: the layout is that of torch 2.2 or older",
      advice: reexport)
  }

  /// The tensors of an entry that `torch.save` wrote, read as data; nil where there is no such entry.
  static func readPickled(_ archive: ZipArchive, _ name: String) throws -> [(key: String, tensor: Tensor)]? {
    guard let entry = archive.entry(name) else { return nil }
    guard entry.byteCount > 0 else { return [] }
    do {
      return try Checkpoint.readTable(try archive.read(entry))
    } catch var error as RBNError {
      error.location = error.location.map { "\(name), \($0)" } ?? name
      throw error
    }
  }

  /// The error for a schema of a version that is not read.
  static func unknownSchema(_ major: Int, location: String) -> RBNError {
    let known = schemaMajorVersions
    return RBNError(
      .exportedProgramVersion, .model, location: location,
      "the schema has major version \(major), and only \(known.lowerBound) and \(known.upperBound) are known",
      advice: major < known.lowerBound
        ? "\(reexport): 2.5 or later" : "use a newer version of this package, or an older torch")
  }
}
