import RBNTensor

extension RBNError.Code {
  /// Not a `.npy` file, or one whose header is damaged.
  package static let malformedNumPy = Self("numpy.malformed")
  /// A dtype that no tensor has.
  package static let unsupportedNumPyDType = Self("numpy.unsupported-dtype")
  /// More or fewer bytes than the array needs.
  package static let numPySizeMismatch = Self("numpy.size-mismatch")
  /// An entry of a `.npz` archive that is no array.
  package static let foreignNumPyEntry = Self("numpy.foreign-entry")
}

/// NumPy's files: `.npy` for one array and `.npz`, a zip of them.
///
/// Reads versions 1 to 3 of the format, both byte orders and both element orders; writes version 1, little-endian,
/// row-major. Arrays of objects are pickles, and refused like every dtype that no tensor has.
package enum NumPy {
  /// A named array of an archive.
  package typealias NamedTensor = (name: String, tensor: Tensor)

  // MARK: Reading

  /// Reads a `.npy` file.
  ///
  /// - Throws: `numpy.…` errors, `file.unreadable`, `system.out-of-memory`.
  package static func readArray(_ path: String) throws -> Tensor {
    let source = try ByteSource(path: path, subject: .input)
    do {
      return try array(in: try source.storage(at: 0, count: source.byteCount))
    } catch let error as RBNError {
      throw error.inFile(path)
    }
  }

  /// Reads the bytes of a `.npy` file.
  ///
  /// - Throws: `numpy.…` errors.
  package static func readArray(bytes: [UInt8]) throws -> Tensor { try array(in: try copy(bytes)) }

  /// Reads a `.npz` file, stored or deflated, in the archive's order, without the `.npy` of the names.
  ///
  /// - Throws: `numpy.…` and `archive.…` errors, located at the entry.
  package static func readArchive(_ path: String) throws -> [NamedTensor] {
    try arrays(in: ZipArchive(contentsOf: path, options: archiveOptions), file: path)
  }

  /// Reads the bytes of a `.npz` file.
  ///
  /// - Throws: `numpy.…` and `archive.…` errors, located at the entry.
  package static func readArchive(bytes: [UInt8]) throws -> [NamedTensor] {
    try arrays(in: ZipArchive(bytes: try copy(bytes), options: archiveOptions), file: nil)
  }

  private static var archiveOptions: ZipArchive.Options {
    var options = ZipArchive.Options()
    options.allowsDeflate = true
    options.subject = .input
    return options
  }

  private static func arrays(in archive: ZipArchive, file: String?) throws -> [NamedTensor] {
    try archive.entries.map { entry in
      do {
        guard entry.name.hasSuffix(".npy") else {
          throw RBNError(.foreignNumPyEntry, .input, "is not an array: its name does not end in .npy")
        }
        return (String(entry.name.dropLast(4)), try array(in: try archive.read(entry)))
      } catch let error as RBNError {
        let located = error.at(entry.name)
        throw file.map { located.inFile($0) } ?? located
      }
    }
  }

  private static func copy(_ bytes: [UInt8]) throws -> TensorStorage {
    let storage = try TensorStorage(byteCount: bytes.count)
    bytes.withUnsafeBytes { storage.bytes.copyMemory(from: $0) }
    return storage
  }

  /// The array in the bytes of a `.npy` file, which it borrows where their order allows.
  static func array(in storage: TensorStorage) throws -> Tensor {
    let header = try NumPyHeader(UnsafeRawBufferPointer(storage.bytes))
    let shape = Shape(header.shape)
    let byteCount = try shape.byteCount(of: header.dtype)
    let available = storage.bytes.count - header.dataOffset
    guard available == byteCount else {
      throw RBNError(
        .numPySizeMismatch, .input,
        "has \(available) bytes of data for a \(header.dtype) array of shape \(shape), which takes \(byteCount)"
      )
    }
    var data = storage
    var offset = header.dataOffset
    if offset % header.dtype.byteSize != 0 {
      // Headers of other writers may leave the elements unaligned.
      data = try TensorStorage(byteCount: byteCount)
      data.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage.bytes[offset...]))
      offset = 0
    }
    let strides =
      header.isFortranOrder
      ? Shape(header.shape.reversed()).contiguousStrides.reversed() : shape.contiguousStrides
    do {
      return try StridedTensor.materialise(
        storage: data, dtype: header.dtype, offset: offset / header.dtype.byteSize, shape: header.shape,
        strides: strides, swappingBytes: header.isBigEndian)
    } catch var error as RBNError {
      if error.subject == .model { error.subject = .input }
      throw error
    }
  }

  // MARK: Writing

  /// Writes a `.npy` file, which appears complete or not at all. bfloat16, which NumPy has not, becomes float32.
  ///
  /// - Throws: `file.unwritable`.
  package static func write(_ tensor: Tensor, to path: String) throws {
    let tensor = try writable(tensor)
    let file = try OutputFile(path: path)
    try NumPyHeader.bytes(dtype: tensor.dtype, shape: tensor.shape).withUnsafeBytes { try file.write($0) }
    try tensor.withUnsafeBytes { try file.write($0) }
    try file.commit()
  }

  /// Writes a `.npz` file, stored, which appears complete or not at all. bfloat16 becomes float32.
  ///
  /// - Throws: `file.unwritable`, `archive.unsafe-name`, `archive.duplicate-entry`.
  package static func write(_ tensors: [NamedTensor], to path: String) throws {
    var writer = try ZipArchiveWriter(path: path)
    for (name, tensor) in tensors { try writer.add(name + ".npy", try bytes(of: tensor)) }
    try writer.close()
  }

  /// The bytes of a `.npy` file. bfloat16 becomes float32.
  ///
  /// - Throws: `system.out-of-memory`.
  package static func bytes(of tensor: Tensor) throws -> [UInt8] {
    let tensor = try writable(tensor)
    let header = NumPyHeader.bytes(dtype: tensor.dtype, shape: tensor.shape)
    return tensor.withUnsafeBytes { header + Array($0) }
  }

  /// The bytes of a `.npz` file, stored. bfloat16 becomes float32.
  ///
  /// - Throws: `archive.unsafe-name`, `archive.duplicate-entry`.
  package static func bytes(of tensors: [NamedTensor]) throws -> [UInt8] {
    var writer = ZipArchiveWriter()
    for (name, tensor) in tensors { try writer.add(name + ".npy", try bytes(of: tensor)) }
    return try writer.close()
  }

  private static func writable(_ tensor: Tensor) throws -> Tensor {
    tensor.dtype == .bfloat16 ? try tensor.converted(to: .float32) : tensor
  }
}
