import RBNTensor

/// The k largest or smallest elements along a dimension, in order, or their indices.
///
/// `aten::topk(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True)`; `sort` is imported as this one with all
/// elements. A NaN is larger than any number; of equal elements the earlier comes first.
package struct TopK: Operator {
  package var k: Int
  package var dim: Int
  package var largest: Bool
  /// Whether the result is the indices (int64), not the values.
  package var givesIndices: Bool

  package static let name = "aten.topk.default"
  package var name: String { Self.name }

  package init(k: Int, dim: Int, largest: Bool, givesIndices: Bool) {
    self.k = k
    self.dim = dim
    self.largest = largest
    self.givesIndices = givesIndices
  }

  package init(_ attributes: Attributes) throws {
    k = try attributes.int("k", in: 0...ExactIntegers.limit)
    dim = try attributes.int("dim", default: -1, in: AttributeRange.axis)
    largest = try attributes.bool("largest", default: true)
    givesIndices = try attributes.bool("gives_indices", default: false)
  }

  package var attributes: Attributes {
    Attributes([
      "k": .int(k), "dim": .int(dim), "largest": .bool(largest), "gives_indices": .bool(givesIndices),
    ])
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    var x = try required(inputs, 0, "self")
    let axis = try axis(dim, rank: x.shape.rank)
    let size = x.shape.rank > 0 ? x.shape[axis] : 1
    guard k <= size, size <= ExactIntegers.limit else {
      throw shapeMismatch("can't take \(k) of the \(size) elements of dimension \(dim) of \(x.shape)")
    }
    if x.shape.rank > 0 { x.shape.dimensions[axis] = k }
    if givesIndices { x.dtype = .int64 }
    return [x]
  }

  /// Whether element a comes before element b, given their positions.
  package func precedes(_ a: (value: Double, position: Int), _ b: (value: Double, position: Int)) -> Bool {
    if a.value.isNaN || b.value.isNaN {
      if a.value.isNaN != b.value.isNaN { return a.value.isNaN == largest }
    } else if a.value != b.value {
      return (a.value > b.value) == largest
    }
    return a.position < b.position
  }
}
