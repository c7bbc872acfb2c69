import RBNTensor

/// The elements of a tensor at computed positions along one dimension.
///
/// `aten::index_select(Tensor self, int dim, Tensor index)` for an index of any rank: its dimensions take the place of `dim`.
/// `embedding`, and `index.Tensor` with one index, are imported as this one. Inputs: self, index of integers; negative ones count
/// from the end.
package struct IndexSelect: Operator {
  package var dim: Int

  package static let name = "aten.index_select.default"
  package var name: String { Self.name }

  package init(dim: Int) { self.dim = dim }
  package init(_ attributes: Attributes) throws { dim = try attributes.int("dim", in: AttributeRange.axis) }
  package var attributes: Attributes { Attributes(["dim": .int(dim)]) }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let (x, index) = (try required(inputs, 0, "self"), try required(inputs, 1, "index"))
    let axis = try axis(dim, rank: x.shape.rank)
    guard x.shape.rank > 0 else { throw shapeMismatch("can't select from a scalar") }
    guard !index.dtype.isFloatingPoint, index.dtype != .bool else {
      throw shapeMismatch("needs an index of integers, got \(index.dtype)")
    }
    guard x.shape[axis] <= ExactIntegers.limit else {
      throw shapeMismatch("positions in a dimension of size \(x.shape[axis]) are not exact in float32")
    }
    var dimensions = x.shape.dimensions
    dimensions.replaceSubrange(axis...axis, with: index.shape.dimensions)
    return [TensorType(Shape(dimensions), x.dtype)]
  }

  /// The position that an index means.
  ///
  /// - Throws: `graph.shape-mismatch` when it is outside of the dimension.
  package func position(_ index: Double, size: Int) throws -> Int {
    let whole = index.rounded(.towardZero)
    guard whole >= -Double(size), whole < Double(size) else {
      throw shapeMismatch("the index \(index) is outside of a dimension of size \(size)")
    }
    return Int(whole) + (whole < 0 ? size : 0)
  }
}
