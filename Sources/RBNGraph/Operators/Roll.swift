import RBNTensor

/// Shifts elements along dimensions, those that fall off one end coming back at the other.
///
/// `aten::roll(Tensor self, SymInt[1] shifts, int[1] dims=[])`, with its dimensions named.
package struct Roll: Operator {
  package var shifts: [Int]
  package var dims: [Int]

  package static let name = "aten.roll.default"
  package var name: String { Self.name }

  package init(shifts: [Int], dims: [Int]) {
    self.shifts = shifts
    self.dims = dims
  }

  package init(_ attributes: Attributes) throws {
    shifts = try attributes.ints("shifts")
    dims = try attributes.ints("dims", default: [], in: AttributeRange.axis)
    guard shifts.count == dims.count else {
      throw attributes.invalid("shifts", "has \(shifts.count) elements for \(dims.count) dimensions")
    }
  }

  package var attributes: Attributes { Attributes(["shifts": .ints(shifts), "dims": .ints(dims)]) }

  /// The shift of each dimension, in 0 ..< size.
  package func offsets(_ shape: Shape) throws -> [Int] {
    var offsets = shape.map { _ in 0 }
    for (shift, dim) in zip(shifts, dims) {
      let axis = try axis(dim, rank: shape.rank)
      let size = shape.rank > 0 ? max(shape[axis], 1) : 1
      if shape.rank > 0 { offsets[axis] = (offsets[axis] + (shift % size + size) % size) % size }
    }
    return offsets
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "self")
    _ = try offsets(x.shape)
    return [x]
  }
}
