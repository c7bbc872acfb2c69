import RBNTensor

/// One tensor where a condition holds, another elsewhere, broadcast together.
///
/// `aten::where.self(Tensor condition, Tensor self, Tensor other)`. Inputs in that order.
package struct Where: Operator {
  package static let name = "aten.where.self"
  package var name: String { Self.name }

  package init() {}
  package init(_ attributes: Attributes) throws {}
  package var attributes: Attributes { Attributes() }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let condition = try required(inputs, 0, "condition")
    let (a, b) = (try required(inputs, 1, "self"), try required(inputs, 2, "other"))
    guard let values = Binary.broadcast(a.shape, b.shape),
      let shape = Binary.broadcast(condition.shape, values)
    else {
      throw shapeMismatch(
        "the shapes \(condition.shape), \(a.shape) and \(b.shape) can't be broadcast together")
    }
    return [TensorType(shape, a.dtype.promoted(with: b.dtype))]
  }
}
