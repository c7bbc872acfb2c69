import RBNTensor

/// Products of matrices, the dimensions before the last two broadcast.
///
/// `aten::matmul(Tensor self, Tensor other)` for tensors of rank 2 and above; `bmm` and `mm` are this one. Inputs: (…, M, K) and
/// (…, K, N). Output (…, M, N).
package struct MatMul: Operator {
  package static let name = "aten.matmul.default"
  package var name: String { Self.name }

  package init() {}
  package init(_ attributes: Attributes) throws {}
  package var attributes: Attributes { Attributes() }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let (a, b) = (try required(inputs, 0, "self"), try required(inputs, 1, "other"))
    let (m, n) = (a.shape.rank, b.shape.rank)
    guard m >= 2, n >= 2, a.shape[m - 1] == b.shape[n - 2],
      let batch = Binary.broadcast(
        Shape(a.shape.dimensions.dropLast(2)), Shape(b.shape.dimensions.dropLast(2)))
    else { throw shapeMismatch("matrices of shapes \(a.shape) and \(b.shape) can't be multiplied") }
    return [
      TensorType(Shape(batch.dimensions + [a.shape[m - 2], b.shape[n - 1]]), a.dtype.promoted(with: b.dtype))
    ]
  }
}
