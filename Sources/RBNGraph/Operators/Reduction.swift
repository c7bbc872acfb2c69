import RBNTensor

/// The mean or sum over some dimensions.
///
/// `aten::mean.dim(Tensor self, int[1]? dim, bool keepdim=False)`, `aten::sum.dim_IntList`. An empty or absent `dim`
/// means all dimensions.
package struct Reduction: Operator {
  package enum Function: String, Hashable, Sendable, CaseIterable {
    case mean, sum

    package var name: String { self == .mean ? "aten.mean.dim" : "aten.sum.dim_IntList" }
  }

  package var function: Function
  package var dims: [Int]
  package var keepdim: Bool

  package init(_ function: Function, dims: [Int], keepdim: Bool) {
    self.function = function
    self.dims = dims
    self.keepdim = keepdim
  }

  package init(_ function: Function, _ attributes: Attributes) throws {
    self.function = function
    dims = attributes["dim"] == .some(.none) ? [] : try attributes.ints("dim", in: AttributeRange.axis)
    keepdim = try attributes.bool("keepdim", default: false)
  }

  package var name: String { function.name }
  package var attributes: Attributes { Attributes(["dim": .ints(dims), "keepdim": .bool(keepdim)]) }

  /// The dimensions reduced, sorted, none negative.
  package func axes(rank: Int) throws -> [Int] {
    if dims.isEmpty { return Array(0..<rank) }
    let axes = try dims.map { try axis($0, rank: rank) }
    guard Set(axes).count == axes.count else { throw shapeMismatch("a dimension appears twice in \(dims)") }
    return axes.sorted()
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "self")
    let axes = try axes(rank: x.shape.rank)
    var dimensions: [Int] = []
    for (index, size) in x.shape.enumerated() {
      if !axes.contains(index) {
        dimensions.append(size)
      } else if keepdim {
        dimensions.append(1)
      }
    }
    return [TensorType(Shape(dimensions), x.dtype)]
  }
}
