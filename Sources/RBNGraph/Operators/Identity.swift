import RBNTensor

/// Its input, unchanged: what dropout, `contiguous`, `clone`, `detach` and `alias` are in eval mode.
package struct Identity: Operator {
  package static let name = "aten.alias.default"
  package var name: String { Self.name }

  package init() {}
  package init(_ attributes: Attributes) throws {}
  package var attributes: Attributes { Attributes() }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    [try required(inputs, 0, "self")]
  }
}
