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
    func types(_ inputs: [Shape]) -> [TensorType?] {
      guard let types = try? graph.inferTypes(inputShapes: inputs) else {
        return graph.outputs.map { _ in nil }
      }
      return graph.outputs.map { types[$0.value.index] }
    }
    let base = types(graph.inputs.map(\.exampleShape))
    var sizes = base.map { $0?.shape.map(Int?.some) ?? [] }
    for axis in 0..<(graph.inputs.map(\.shape.count).max() ?? 0) {
      // The free sizes of one axis, such as all batch sizes, mostly have to agree.
      guard let varied = graph.exampleShapes(varying: axis) else { continue }
      for (output, (before, after)) in zip(base, types(varied)).enumerated() {
        guard let before = before?.shape, let after = after?.shape, before.rank == after.rank else {
          continue
        }
        for place in before.indices where before[place] != after[place] { sizes[output][place] = nil }
      }
    }
    return graph.outputs.indices.map { index in
      TensorDescription(
        name: graph.outputs[index].name, dtype: base[index]?.dtype ?? .float32, shape: sizes[index])
    }
  }
}
