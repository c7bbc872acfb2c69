import RBNTensor

/// Surrounds a tensor with a constant.
///
/// `aten::constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0)`. `pad` counts from the last dimension: left, right, top,
/// bottom, …; negative values crop.
package struct Pad: Operator {
  package var pad: [Int]
  package var value: Double

  package static let name = "aten.constant_pad_nd.default"
  package var name: String { Self.name }

  package init(pad: [Int], value: Double = 0) {
    self.pad = pad
    self.value = value
  }

  package init(_ attributes: Attributes) throws {
    pad = try attributes.ints("pad", in: -(1 << 20)...(1 << 20))
    value = try attributes.double("value", default: 0)
    guard pad.count % 2 == 0 else { throw attributes.invalid("pad", "has an odd number of elements") }
  }

  package var attributes: Attributes { Attributes(["pad": .ints(pad), "value": .double(value)]) }

  /// The padding before and after dimension `axis`.
  package func amounts(axis: Int, rank: Int) -> (before: Int, after: Int) {
    let index = 2 * (rank - 1 - axis)
    return index + 1 < pad.count ? (pad[index], pad[index + 1]) : (0, 0)
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    var x = try required(inputs, 0, "self")
    guard pad.count <= 2 * x.shape.rank else {
      throw shapeMismatch("pads \(pad.count / 2) dimensions of a tensor of shape \(x.shape)")
    }
    for axis in x.shape.indices {
      let (before, after) = amounts(axis: axis, rank: x.shape.rank)
      let (size, overflow) = x.shape[axis].addingReportingOverflow(before + after)
      guard !overflow, size >= 0 else {
        throw shapeMismatch("the padding \(pad) crops more than \(x.shape) holds")
      }
      x.shape.dimensions[axis] = size
    }
    return [x]
  }
}
