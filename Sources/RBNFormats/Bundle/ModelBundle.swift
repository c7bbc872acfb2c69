import RBNTensor

/// A network in one file, `.rbn`: what it takes and gives, its graph, its weights, and what goes with them.
///
/// The file is a zip archive of stored entries, each payload at a multiple of 64 bytes:
///
/// | entry | content |
/// |---|---|
/// | `manifest.json` | ``BundleManifest``; the first entry |
/// | `graph.json` | the graph; opaque here |
/// | `weights.json` | state-dict key → `{"entry", "dtype", "stored", "shape"}`, in the order of the state dict |
/// | `weights/<n>` | one tensor: its elements, row-major, little-endian, nothing else |
/// | `labels.txt` | optional: UTF-8, one label a line |
/// | `golden/<name>.npy` | optional: tensors to compare with |
///
/// The manifest lists size and SHA-256 digest of every other entry, and the archive holds no entry that it does
/// not list. The manifest itself is covered by the archive's CRC-32 against damage; against alteration, its own
/// digest (``identity``) stands for the whole bundle, as it covers all the others.
package struct ModelBundle: Sendable {
  package var manifest: BundleManifest
  /// The graph, read and written by `RBNGraph`.
  package var graph: JSONValue
  /// The state dict, in order.
  package var weights: [(key: String, tensor: Tensor)]
  /// The names of the classes.
  package var labels: [String]?
  /// Tensors that a run is compared with.
  package var golden: [(name: String, tensor: Tensor)]
  /// The SHA-256 digest of the manifest as it was read; nil for a bundle that was made here.
  package internal(set) var identity: String?

  package init(
    manifest: BundleManifest, graph: JSONValue, weights: [(key: String, tensor: Tensor)],
    labels: [String]? = nil,
    golden: [(name: String, tensor: Tensor)] = []
  ) {
    self.manifest = manifest
    self.graph = graph
    self.weights = weights
    self.labels = labels
    self.golden = golden
  }

  /// How an image becomes the input.
  package var preprocessing: JSONValue? {
    get { manifest.preprocessing }
    set { manifest.preprocessing = newValue }
  }

  static let manifestName = "manifest.json"
  static let graphName = "graph.json"
  static let weightsName = "weights.json"
  static let labelsName = "labels.txt"
  static let maximumLabelCount = 1 << 17
  static let goldenFolder = "golden/"

  /// The dtype that a document names.
  static func dtype(_ node: JSONNode) throws -> DType {
    let name = try node.string()
    guard let dtype = DType(rawValue: name) else {
      throw node.failure("the dtype \(name.debugDescription) is not known", .bundleDType)
    }
    return dtype
  }
}
