import RBNTensor

/// Joins tensors along a dimension.
///
/// `aten::cat(Tensor[] tensors, int dim=0)`. Inputs: the tensors, at least one.
package struct Concat: Operator {
  package var dim: Int

  package static let name = "aten.cat.default"
  package var name: String { Self.name }

  package init(dim: Int) { self.dim = dim }
  package init(_ attributes: Attributes) throws {
    dim = try attributes.int("dim", default: 0, in: AttributeRange.axis)
  }
  package var attributes: Attributes { Attributes(["dim": .int(dim)]) }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    var result = try required(inputs, 0, "tensors[0]")
    let axis = try axis(dim, rank: result.shape.rank)
    var total = result.shape.rank > 0 ? result.shape[axis] : 0
    for index in inputs.indices.dropFirst() {
      let next = try required(inputs, index, "tensors[\(index)]").shape
      let agrees =
        next.rank == result.shape.rank && next.rank > 0
        && next.indices.allSatisfy { $0 == axis || next[$0] == result.shape[$0] }
      let (sum, overflow) = agrees ? total.addingReportingOverflow(next[axis]) : (0, true)
      guard !overflow else {
        throw shapeMismatch(
          "tensors of shapes \(result.shape) and \(next) can't be joined along dimension \(dim)")
      }
      total = sum
    }
    if result.shape.rank > 0 { result.shape.dimensions[axis] = total }
    return [result]
  }
}
