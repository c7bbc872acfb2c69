import RBNTensor

extension RBNError.Code {
  /// The archive is not a bundle.
  package static let notABundle = Self("bundle.not-one")
  /// A bundle of a format version that this package does not know.
  package static let bundleVersion = Self("bundle.version")
  /// An entry that the manifest lists and the archive has not.
  package static let missingBundleEntry = Self("bundle.missing-entry")
  /// An entry that the manifest does not list.
  package static let unlistedBundleEntry = Self("bundle.unlisted-entry")
  /// An entry of another size than the manifest says.
  package static let bundleEntrySize = Self("bundle.size-mismatch")
  /// An entry with another SHA-256 digest than the manifest says.
  package static let bundleDigest = Self("bundle.sha256-mismatch")
  /// A dtype whose name is not known, or that may not stand there.
  package static let bundleDType = Self("bundle.unknown-dtype")
  /// A weight whose entry has not the size of its shape.
  package static let bundleWeightSize = Self("bundle.weight-size")
  /// A weight that the narrower dtype asked for can't hold.
  package static let bundleWeightRange = Self("bundle.weight-overflow")
  /// The manifest contradicts itself, such as a golden entry that is no array.
  package static let malformedBundle = Self("bundle.malformed")
}

/// What a bundle says about itself: the document `manifest.json`.
///
/// Keys that are not known are ignored on reading, so that later minor additions don't break older readers; a
/// change that they must not ignore raises `format_version`.
package struct BundleManifest: Sendable {
  /// The value of `format`.
  package static let format = "swift-rbn bundle"
  /// The value of `format_version` that is written, and the newest that is read.
  package static let formatVersion = 1

  /// A tensor that the network takes.
  package struct Input: Hashable, Sendable {
    package var name: String
    package var dtype: DType
    /// The sizes of the dimensions; nil for one that is free.
    package var shape: [Int?]

    package init(name: String, dtype: DType, shape: [Int?]) {
      self.name = name
      self.dtype = dtype
      self.shape = shape
    }
  }

  /// What the archive must hold under a name.
  struct Entry: Hashable {
    var sha256: String
    var byteCount: Int
  }

  /// What wrote the bundle: names and versions.
  package var producer: [(key: String, value: String)] = []
  package var inputs: [Input] = []
  /// The names of the tensors that the network gives.
  package var outputs: [String] = []
  /// How an image becomes the input; read and written by `RBNRuntime`.
  package var preprocessing: JSONValue?
  /// Where the network came from, in free words: source, licence, training data, accuracy, …
  package var provenance: [(key: String, value: String)] = []

  /// The entry that holds the labels; nil when there are none.
  var labelsEntry: String?
  /// Every entry of the archive but the manifest itself, in the archive's order.
  var entries: [(name: String, entry: Entry)] = []

  package init() {}

  // MARK: JSON

  init(_ root: JSONNode) throws {
    guard try root.optionalMember("format")?.value == .string(Self.format) else {
      throw root.failure("this is not the manifest of a bundle", .notABundle)
    }
    let version = try root.member("format_version").int()
    guard version == Self.formatVersion else {
      throw root.failure(
        "the bundle has format version \(version), and only \(Self.formatVersion) is known", .bundleVersion,
        advice: "use a newer version of this package, or convert the model again")
    }
    producer = try Self.strings(root, "producer")
    provenance = try Self.strings(root, "provenance")
    inputs = try root.member("inputs").list { node in
      Input(
        name: try node.member("name").string(), dtype: try ModelBundle.dtype(try node.member("dtype")),
        shape: try node.member("shape").list { $0.isNull ? nil : try Self.size($0) })
    }
    outputs = try root.member("outputs").list { try $0.member("name").string() }
    preprocessing = try root.optionalMember("preprocessing").map { node in
      _ = try node.members()
      return node.value
    }
    labelsEntry = try root.optionalMember("labels")?.string()
    entries = try root.member("entries").members().map { name, node in
      (
        name,
        Entry(sha256: try node.member("sha256").string(), byteCount: try Self.size(try node.member("bytes")))
      )
    }
  }

  static func size(_ node: JSONNode) throws -> Int {
    let size = try node.int()
    guard size >= 0 else { throw node.expected("a size") }
    return size
  }

  private static func strings(_ root: JSONNode, _ key: String) throws -> [(key: String, value: String)] {
    try root.optionalMember(key)?.members().map { ($0.key, try $0.node.string()) } ?? []
  }

  /// The document.
  var json: JSONValue {
    .object(
      JSONObject([
        ("format", .string(Self.format)),
        ("format_version", .int(Int64(Self.formatVersion))),
        ("producer", .object(JSONObject(producer.map { ($0.key, .string($0.value)) }))),
        ("inputs", .array(inputs.map(Self.json))),
        ("outputs", .array(outputs.map { ["name": .string($0)] })),
        ("preprocessing", preprocessing ?? .null),
        ("labels", labelsEntry.map { .string($0) } ?? .null),
        ("provenance", .object(JSONObject(provenance.map { ($0.key, .string($0.value)) }))),
        ("entries", .object(JSONObject(entries.map { ($0.name, Self.json($0.entry)) }))),
      ]))
  }

  private static func json(_ input: Input) -> JSONValue {
    let shape = input.shape.map { size in size.map { JSONValue.int(Int64($0)) } ?? .null }
    return ["name": .string(input.name), "dtype": .string(input.dtype.rawValue), "shape": .array(shape)]
  }

  private static func json(_ entry: Entry) -> JSONValue {
    ["sha256": .string(entry.sha256), "bytes": .int(Int64(entry.byteCount))]
  }
}
