import RBNTensor

/// Resamples images to another height and width, without antialiasing.
///
/// `aten::upsample_nearest2d`, `_upsample_nearest_exact2d`, `upsample_bilinear2d`, `upsample_bicubic2d`. Inputs: x (N, C, H, W), then
/// the tensors that the size expressions mention. Output (N, C, H', W').
package struct Upsample2d: Operator {
  package enum Mode: String, Hashable, Sendable, CaseIterable {
    case nearest, nearestExact, bilinear, bicubic

    package var name: String {
      switch self {
      case .nearest: "aten.upsample_nearest2d.vec"
      case .nearestExact: "aten._upsample_nearest_exact2d.vec"
      case .bilinear: "aten.upsample_bilinear2d.vec"
      case .bicubic: "aten.upsample_bicubic2d.vec"
      }
    }
  }

  package var mode: Mode
  package var alignCorners: Bool
  /// Height and width; `nil` when factors are given.
  package var outputSize: [SizeExpression]?
  /// Output size over input size; where given they, not the sizes, say which positions are read.
  package var scaleFactors: [Double]?

  package init(
    _ mode: Mode, outputSize: [SizeExpression]? = nil, scaleFactors: [Double]? = nil,
    alignCorners: Bool = false
  ) {
    self.mode = mode
    self.outputSize = outputSize
    self.scaleFactors = scaleFactors
    self.alignCorners = alignCorners
  }

  package init(_ mode: Mode, _ attributes: Attributes) throws {
    self.mode = mode
    alignCorners = try attributes.bool("align_corners", default: false)
    if attributes["output_size"] != nil, attributes["output_size"] != .some(.none) {
      let sizes = try attributes.sizes("output_size")
      guard sizes.count == 2 else { throw attributes.invalid("output_size", "has not 2 elements") }
      outputSize = sizes
    }
    if case .list(let list)? = attributes["scale_factors"] {
      let factors = list.compactMap { element -> Double? in
        switch element {
        case .double(let value): value
        case .int(let value): Double(value)
        default: nil
        }
      }
      guard list.count == 2, factors.count == 2 else {
        throw attributes.invalid("scale_factors", "is not two numbers")
      }
      scaleFactors = factors
    }
    guard outputSize != nil || scaleFactors != nil else {
      throw attributes.invalid("output_size", "is missing, and so is scale_factors")
    }
  }

  package var name: String { mode.name }
  package var attributes: Attributes {
    Attributes([
      "output_size": outputSize.map { .list($0.map(\.attribute)) } ?? .none,
      "align_corners": .bool(alignCorners),
      "scale_factors": scaleFactors.map { .list($0.map { .double($0) }) } ?? .none,
    ])
  }

  /// The scale factors that are accepted.
  private static let factors = 1.0 / 1024...1024

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try requiredImage(inputs)
    if let scaleFactors, !scaleFactors.allSatisfy(Self.factors.contains) {
      throw RBNError(
        .invalidAttribute, .model, location: name,
        "the scale factors \(scaleFactors) are not in \(Self.factors.lowerBound)...\(Self.factors.upperBound)"
      )
    }
    var size: [Int] = []
    for axis in 0..<2 {
      if let outputSize {
        size.append(try outputSize[axis].evaluate(inputs))
      } else if let scaleFactors {
        let scaled = Double(x.shape[axis + 2]) * scaleFactors[axis]
        size.append(scaled < Double(1 << 40) ? Int(scaled) : -1)
      }
    }
    guard size.count == 2, size.allSatisfy({ $0 > 0 }), x.shape[2] > 0, x.shape[3] > 0 else {
      throw shapeMismatch("can't resample \(x.shape) to \(Shape(size))")
    }
    return [TensorType([x.shape[0], x.shape[1], size[0], size[1]], x.dtype)]
  }
}

extension Upsample2d {
  /// What one output row or column is made of: positions of the input and their weights.
  package struct Taps: Hashable, Sendable {
    package var positions: [Int]
    package var weights: [Double]
  }

  /// The taps of every output position along one axis (0 for rows, 1 for columns), as ATen's `area_pixel_compute_source_index`
  /// and `nearest_idx` define them. The nearest ones are computed in float32, as there: rounding decides between them.
  package func taps(axis: Int, input: Int, output: Int) -> [Taps] {
    let scale = self.scale(axis: axis, input: input, output: output)
    return (0..<output).map { position in
      switch mode {
      case .nearest, .nearestExact:
        return Taps(
          positions: [nearest(position, scale: Float(scale), input: input, output: output)], weights: [1])
      case .bilinear:
        let source = max(coordinate(position, scale), 0)
        let first = min(Int(source), input - 1)
        let fraction = min(max(source - Double(first), 0), 1)
        return Taps(positions: [first, min(first + 1, input - 1)], weights: [1 - fraction, fraction])
      case .bicubic:
        let source = coordinate(position, scale)
        let first = source.rounded(.down)
        let t = source - first
        let positions = (-1...2).map { min(max(Int(first) + $0, 0), input - 1) }
        return Taps(positions: positions, weights: Self.cubic(t))
      }
    }
  }

  /// Input pixels for one output pixel.
  private func scale(axis: Int, input: Int, output: Int) -> Double {
    if alignCorners, mode == .bilinear || mode == .bicubic {
      return output > 1 ? Double(input - 1) / Double(output - 1) : 0
    }
    if let scaleFactors { return 1 / scaleFactors[axis] }
    return Double(input) / Double(output)
  }

  private func nearest(_ position: Int, scale: Float, input: Int, output: Int) -> Int {
    if mode == .nearest {
      if output == input { return position }
      if output == input.multipliedReportingOverflow(by: 2).partialValue { return position / 2 }
    }
    let offset: Float = mode == .nearestExact ? 0.5 : 0
    return max(min(Int((Float(position) + offset) * scale), input - 1), 0)
  }

  private func coordinate(_ position: Int, _ scale: Double) -> Double {
    alignCorners ? Double(position) * scale : (Double(position) + 0.5) * scale - 0.5
  }

  /// Keys' cubic convolution with a = −0.75, at distances 1 + t, t, 1 − t and 2 − t.
  private static func cubic(_ t: Double) -> [Double] {
    let a = -0.75
    func near(_ x: Double) -> Double { ((a + 2) * x - (a + 3)) * x * x + 1 }
    func far(_ x: Double) -> Double { ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }
    return [far(1 + t), near(t), near(1 - t), far(2 - t)]
  }
}
