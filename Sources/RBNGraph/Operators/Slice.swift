import RBNTensor

/// Every `step`-th index from `start` up to, not including, `end` along one dimension.
///
/// `aten::slice.Tensor(Tensor self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1)`. Bounds are clamped as in
/// Python; `chunk` and `split` are imported as several of these.
package struct Slice: Operator {
  package var dim: Int
  package var start: Int
  package var end: Int
  package var step: Int

  package static let name = "aten.slice.Tensor"
  package var name: String { Self.name }

  package init(dim: Int, start: Int, end: Int, step: Int = 1) {
    self.dim = dim
    self.start = start
    self.end = end
    self.step = step
  }

  package init(_ attributes: Attributes) throws {
    dim = try attributes.int("dim", default: 0, in: AttributeRange.axis)
    start = try attributes.optionalInt("start") ?? 0
    end = try attributes.optionalInt("end") ?? Int.max
    step = try attributes.int("step", default: 1, in: AttributeRange.positive)
  }

  package var attributes: Attributes {
    Attributes(["dim": .int(dim), "start": .int(start), "end": .int(end), "step": .int(step)])
  }

  /// The first index and the number of indices for a dimension of `size`.
  package func range(size: Int) -> (start: Int, count: Int) {
    func clamp(_ bound: Int) -> Int { min(max(bound < 0 ? max(bound, -size) + size : bound, 0), size) }
    let (first, last) = (clamp(start), clamp(end))
    return (first, last > first ? (last - first - 1) / step + 1 : 0)
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    var x = try required(inputs, 0, "self")
    guard x.shape.rank > 0 else { throw shapeMismatch("can't slice a scalar") }
    let axis = try axis(dim, rank: x.shape.rank)
    x.shape.dimensions[axis] = range(size: x.shape[axis]).count
    return [x]
  }
}
