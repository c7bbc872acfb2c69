import RBNTensor

/// Joins neighbouring dimensions into one.
///
/// `aten::flatten.using_ints(Tensor self, int start_dim=0, int end_dim=-1)`.
package struct Flatten: Operator {
  package var startDim: Int
  package var endDim: Int

  package static let name = "aten.flatten.using_ints"
  package var name: String { Self.name }

  package init(startDim: Int = 0, endDim: Int = -1) {
    self.startDim = startDim
    self.endDim = endDim
  }

  package init(_ attributes: Attributes) throws {
    startDim = try attributes.int("start_dim", default: 0, in: AttributeRange.axis)
    endDim = try attributes.int("end_dim", default: -1, in: AttributeRange.axis)
  }

  package var attributes: Attributes { Attributes(["start_dim": .int(startDim), "end_dim": .int(endDim)]) }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "self")
    guard x.shape.rank > 0 else { return [TensorType([1], x.dtype)] }
    let (start, end) = (try axis(startDim, rank: x.shape.rank), try axis(endDim, rank: x.shape.rank))
    guard start <= end else { throw shapeMismatch("start_dim \(startDim) comes after end_dim \(endDim)") }
    let joined = try Shape(Array(x.shape[start...end])).elementCount()
    return [TensorType(Shape(Array(x.shape[..<start]) + [joined] + Array(x.shape[(end + 1)...])), x.dtype)]
  }
}
