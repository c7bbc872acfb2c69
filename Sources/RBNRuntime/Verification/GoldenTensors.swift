import RBNFormats
import RBNGraph

extension RBNError.Code {
  /// A golden file without the inputs or outputs of the network, or a model without golden tensors.
  public static let goldenIncomplete = Self("golden.incomplete")
  /// A golden tensor of another shape than the network's.
  public static let goldenShape = Self("golden.shape-mismatch")
  /// A golden tensor whose name is none of `inputs/…`, `outputs/…`, `layers/…`.
  public static let goldenName = Self("golden.unknown-name")
}

/// What PyTorch computed: tensors named `inputs/<name>`, `outputs/<name>` and `layers/<module path>[#<call>]`.
struct GoldenTensors: Sendable {
  /// A tensor and its name without the folder.
  typealias Named = (name: String, tensor: Tensor)

  private(set) var inputs: [Named] = []
  private(set) var outputs: [Named] = []
  private(set) var layers: [Named] = []

  /// - Throws: `golden.unknown-name`, `golden.incomplete`.
  init(_ tensors: [Named]) throws {
    for (name, tensor) in tensors {
      let parts = name.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      switch parts.first {
      case "inputs" where parts.count == 2: inputs.append((parts[1], tensor))
      case "outputs" where parts.count == 2: outputs.append((parts[1], tensor))
      case "layers" where parts.count == 2: layers.append((parts[1], tensor))
      default:
        throw RBNError(
          .goldenName, .input, location: name, "is no golden tensor",
          advice: "names are inputs/<name>, outputs/<name> and layers/<module path>")
      }
    }
    guard !inputs.isEmpty, !outputs.isEmpty else {
      throw RBNError(
        .goldenIncomplete, .input, "holds \(inputs.count) inputs and \(outputs.count) outputs of the network",
        advice: "tools/export.py writes golden files")
    }
  }

  /// Reads a `.npz` file.
  init(contentsOf path: String) throws {
    do {
      try self.init(try NumPy.readArchive(path))
    } catch let error as RBNError {
      throw error.inFile(path)
    }
  }

  /// The inputs in the network's order: by name or, where no name is the network's, by position.
  func orderedInputs(_ graph: Graph) throws -> [Tensor] {
    let ordered = try Self.ordered(inputs, names: graph.inputs.map(\.name), "inputs")
    for (input, tensor) in zip(graph.inputs, ordered) {
      do {
        try input.check(tensor.shape)
      } catch let error as RBNError {
        throw RBNError(
          .goldenShape, .input, location: "inputs/\(input.name)", error.message, advice: error.advice)
      }
    }
    return ordered
  }

  /// The outputs in the network's order, as ``orderedInputs(_:)``.
  func orderedOutputs(_ graph: Graph) throws -> [Tensor] {
    try Self.ordered(outputs, names: graph.outputs.map(\.name), "outputs")
  }

  private static func ordered(_ tensors: [Named], names: [String], _ folder: String) throws -> [Tensor] {
    guard tensors.count == names.count else {
      throw RBNError(
        .goldenIncomplete, .input,
        "there are \(tensors.count) golden \(folder) for a network of \(names.count): \(names.joined(separator: ", "))"
      )
    }
    let byName = Dictionary(tensors.map { ($0.name, $0.tensor) }) { first, _ in first }
    let found = names.compactMap { byName[$0] }
    // Other writers, and decomposition, call the same tensors otherwise, in the same order.
    if found.isEmpty { return tensors.map(\.tensor) }
    guard found.count == names.count else {
      throw RBNError(
        .goldenIncomplete, .input,
        "the golden \(folder) are \(tensors.map(\.name).joined(separator: ", ")), and the network's are "
          + names.joined(separator: ", "))
    }
    return found
  }
}
