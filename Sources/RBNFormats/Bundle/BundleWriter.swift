import RBNTensor

extension ModelBundle {
  /// Writes the bundle to a file, which appears complete or not at all. Equal bundles give equal bytes.
  ///
  /// - Parameter dtype: how float32 weights are stored: `.float32`, or `.float16` or `.bfloat16` for about half
  ///   the size. Only kernels and matrices (two dimensions longer than 1) are narrowed: biases, running
  ///   statistics and calibration weights are few, and their error would touch whole channels.
  /// - Throws: `bundle.unknown-dtype` for another dtype, `bundle.weight-overflow` when float16 can't hold a
  ///   weight, `archive.unsafe-name` for a golden tensor's name, `file.unwritable`.
  package func write(to path: String, storingWeightsAs dtype: DType = .float32) throws {
    let contents = try contents(storingWeightsAs: dtype)
    var writer = try ZipArchiveWriter(path: path)
    for (name, payload) in contents { try payload.withUnsafeBytes { try writer.add(name, $0) } }
    try writer.close()
  }

  /// The bytes of the bundle's file.
  ///
  /// - Throws: as ``write(to:storingWeightsAs:)``.
  package func bytes(storingWeightsAs dtype: DType = .float32) throws -> [UInt8] {
    var writer = ZipArchiveWriter()
    for (name, payload) in try contents(storingWeightsAs: dtype) {
      try payload.withUnsafeBytes { try writer.add(name, $0) }
    }
    return try writer.close()
  }

  private enum Payload {
    case bytes([UInt8])
    case tensor(Tensor)

    func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
      switch self {
      case .bytes(let bytes): try bytes.withUnsafeBytes(body)
      case .tensor(let tensor): try tensor.withUnsafeBytes(body)
      }
    }
  }

  /// Where a tensor's bytes are: two keys with one place share one entry.
  private struct Place: Hashable {
    let storage: ObjectIdentifier
    let offset: Int
    let shape: Shape
    let dtype: DType
  }

  private func contents(storingWeightsAs dtype: DType) throws -> [(String, Payload)] {
    guard [.float32, .float16, .bfloat16].contains(dtype) else {
      throw RBNError(
        .bundleDType, .usage, "weights can be stored as float32, float16 or bfloat16, not as \(dtype)")
    }
    var table = JSONObject()
    var places: [Place: String] = [:]
    var blobs: [(String, Payload)] = []
    for (key, tensor) in weights {
      let place = Place(
        storage: ObjectIdentifier(tensor.storage), offset: tensor.byteOffset, shape: tensor.shape,
        dtype: tensor.dtype)
      let stored = Self.storedDType(tensor, dtype)
      let name = places[place] ?? "weights/\(blobs.count)"
      if places[place] == nil {
        places[place] = name
        blobs.append((name, .tensor(try Self.narrowed(tensor, to: stored, key: key))))
      }
      guard table[key] == nil else {
        throw RBNError(.malformedBundle, .model, location: key, "is twice in the state dict")
      }
      table[key] = [
        "entry": .string(name), "dtype": .string(tensor.dtype.rawValue), "stored": .string(stored.rawValue),
        "shape": .integers(tensor.shape.dimensions),
      ]
    }
    var rest: [(String, Payload)] = [
      (Self.graphName, .bytes(Array(graph.text().utf8))),
      (Self.weightsName, .bytes(Array(JSONValue.object(table).text().utf8))),
    ]
    if let labels { rest.append((Self.labelsName, .bytes(try Self.lines(labels)))) }
    rest += blobs
    for (name, tensor) in golden {
      rest.append((Self.goldenFolder + name + ".npy", .bytes(try NumPy.bytes(of: tensor))))
    }
    var manifest = manifest
    manifest.labelsEntry = labels == nil ? nil : Self.labelsName
    manifest.entries = try rest.map { name, payload in
      try payload.withUnsafeBytes {
        (name, BundleManifest.Entry(sha256: try SHA256.hexDigest(of: $0), byteCount: $0.count))
      }
    }
    return [(Self.manifestName, .bytes(Array(manifest.json.text(.pretty).utf8)))] + rest
  }

  private static func lines(_ labels: [String]) throws -> [UInt8] {
    guard labels.count <= maximumLabelCount else {
      throw RBNError(
        .malformedBundle, .usage, "can't have \(labels.count) labels; the limit is \(maximumLabelCount)")
    }
    if let label = labels.first(where: { $0.utf8.contains { $0 == 10 || $0 == 13 } }) {
      throw RBNError(.malformedBundle, .usage, "the label \(label.debugDescription) has more than one line")
    }
    return Array(labels.map { $0 + "\n" }.joined().utf8)
  }

  private static func storedDType(_ tensor: Tensor, _ wanted: DType) -> DType {
    let isMatrix = tensor.shape.dimensions.count { $0 > 1 } >= 2
    return tensor.dtype == .float32 && isMatrix ? wanted : tensor.dtype
  }

  private static func narrowed(_ tensor: Tensor, to dtype: DType, key: String) throws -> Tensor {
    if tensor.dtype == dtype { return tensor }
    let narrow = try tensor.converted(to: dtype)
    let overflows = tensor.withUnsafeBytes { wide in
      narrow.withUnsafeBytes { narrow in
        let infinity: UInt16 = dtype == .float16 ? 0x7C00 : 0x7F80
        return (0..<tensor.count).contains { index in
          narrow.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self) & 0x7FFF == infinity
            && wide.loadUnaligned(fromByteOffset: index * 4, as: Float.self).isFinite
        }
      }
    }
    guard !overflows else {
      throw RBNError(
        .bundleWeightRange, .model, location: key, "has values that \(dtype) can't hold",
        advice: "store the weights as bfloat16 or float32")
    }
    return narrow
  }
}
