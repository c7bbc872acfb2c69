import RBNTensor

/// Surrounds a tensor with a constant, or with its own elements.
///
/// `aten::pad(Tensor self, SymInt[] pad, str mode="constant", float? value=None)`, `aten::constant_pad_nd`. `pad` counts from the last
/// dimension: left, right, top, bottom, …; negative values crop.
package struct Pad: Operator {
  /// Where the new elements come from.
  package enum Mode: String, Hashable, Sendable {
    case constant
    /// The elements inside of the edge, mirrored at the edge element.
    case reflect
    /// The edge element.
    case replicate
    /// The elements at the other end.
    case circular
  }

  package var pad: [Int]
  package var value: Double
  package var mode: Mode

  package static let name = "aten.constant_pad_nd.default"
  package var name: String { Self.name }

  package init(pad: [Int], value: Double = 0, mode: Mode = .constant) {
    self.pad = pad
    self.value = value
    self.mode = mode
  }

  package init(_ attributes: Attributes) throws {
    pad = try attributes.ints("pad", in: -(1 << 20)...(1 << 20))
    value = try attributes.double("value", default: 0)
    guard pad.count % 2 == 0 else { throw attributes.invalid("pad", "has an odd number of elements") }
    let text = try attributes.string("mode", default: "constant")
    guard let mode = Mode(rawValue: text) else {
      throw attributes.invalid("mode", "is \(text), not constant, reflect, replicate or circular")
    }
    self.mode = mode
  }

  package var attributes: Attributes {
    var attributes = Attributes(["pad": .ints(pad), "value": .double(value)])
    if mode != .constant { attributes.set("mode", .string(mode.rawValue)) }
    return attributes
  }

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
    guard x.dtype.isFloatingPoint || value.rounded() == value else {
      throw shapeMismatch("\(x.dtype) can't be padded with \(value)")
    }
    for axis in x.shape.indices {
      let (before, after) = amounts(axis: axis, rank: x.shape.rank)
      let (size, overflow) = x.shape[axis].addingReportingOverflow(before + after)
      guard !overflow, size >= 0 else {
        throw shapeMismatch("the padding \(pad) crops more than \(x.shape) holds")
      }
      let longest = longestPad(x.shape[axis])
      guard before <= longest, after <= longest else {
        throw shapeMismatch("the padding \(pad) in mode \(mode) reaches beyond the other end of \(x.shape)")
      }
      x.shape.dimensions[axis] = size
    }
    return [x]
  }

  private func longestPad(_ size: Int) -> Int {
    switch mode {
    case .constant: Int.max
    case .reflect: max(size - 1, 0)
    case .replicate: size > 0 ? Int.max : 0
    case .circular: size
    }
  }

  /// The input's position behind an output position, counted from the input's first element; `nil` for a constant.
  package func source(_ position: Int, size: Int) -> Int? {
    if position >= 0 && position < size { return position }
    switch mode {
    case .constant: return nil
    case .reflect: return position < 0 ? -position : 2 * (size - 1) - position
    case .replicate: return position < 0 ? 0 : size - 1
    case .circular: return position < 0 ? position + size : position - size
    }
  }
}
