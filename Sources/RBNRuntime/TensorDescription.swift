import RBNGraph

/// A tensor that a network takes or gives.
public struct TensorDescription: Codable, Hashable, Sendable {
  /// The name in the exported program's signature, or `x` and `output` for networks built from checkpoints.
  public var name: String
  /// The type of the elements.
  public var dtype: DType
  /// The sizes of the dimensions; nil for one that is free.
  public var shape: [Int?]

  /// `input float32 (any, 3, 224, 224)`.
  public var summary: String {
    "\(name) \(dtype) (" + shape.map { $0.map(String.init) ?? "any" }.joined(separator: ", ") + ")"
  }
}

extension TensorDescription {
  /// The outputs of a graph. A size is nil when it changes with a free size of the inputs.
  ///
  /// - Complexity: the inference of the graph's types, once and for each free axis.
  static func outputs(of graph: Graph) -> [TensorDescription] {
    let typesAtSizes = (try? graph.typesAtSeveralSizes()) ?? []
    return graph.outputs.map { output in
      // The example's first.
      let types = typesAtSizes.map { $0[output.value.index] }
      let example = types.first ?? nil
      let sizes = example?.shape.dimensions ?? []
      var shape = sizes.map(Int?.some)
      for other in types where other?.shape.rank == sizes.count {
        for place in sizes.indices where other?.shape[place] != sizes[place] { shape[place] = nil }
      }
      return TensorDescription(name: output.name, dtype: example?.dtype ?? .float32, shape: shape)
    }
  }
}
