import RBNTensor

/// An elementwise function of one tensor.
package struct Unary: Operator {
  package enum Function: Hashable, Sendable {
    case relu
    /// Bounds that are absent are `nil`; `aten::hardtanh` and ReLU6 are this one.
    case clamp(min: Double?, max: Double?)
    case sigmoid, hardsigmoid, hardswish, silu
    /// `approximate='none'`: with the error function.
    case gelu
    case geluTanh
    case exp, neg, sqrt, rsqrt, reciprocal, abs, tanh
    case pow(exponent: Double)
    case leakyRelu(slope: Double)
    /// x · scale where positive, else scale · alpha · (exp(inputScale · x) − 1); `aten::selu` and `celu` are this one.
    case elu(alpha: Double, scale: Double, inputScale: Double)
    /// log(1 + exp(beta · x)) / beta; x itself where beta · x is above the threshold.
    case softplus(beta: Double, threshold: Double)
    case mish, log, log2, log1p, expm1, sin, cos, erf, sign
    case floor, ceil, trunc
    /// To the nearest integer, ties to even.
    case round
    case logicalNot
  }

  package var function: Function

  package init(_ function: Function) { self.function = function }

  /// ReLU6 as `clamp(0, 6)`.
  package static let relu6 = Unary(.clamp(min: 0, max: 6))

  private static let plain: [String: Function] = [
    "aten.relu.default": .relu, "aten.sigmoid.default": .sigmoid, "aten.hardsigmoid.default": .hardsigmoid,
    "aten.hardswish.default": .hardswish, "aten.silu.default": .silu, "aten.exp.default": .exp,
    "aten.neg.default": .neg, "aten.sqrt.default": .sqrt, "aten.rsqrt.default": .rsqrt,
    "aten.reciprocal.default": .reciprocal, "aten.abs.default": .abs, "aten.tanh.default": .tanh,
    "aten.mish.default": .mish, "aten.log.default": .log, "aten.log2.default": .log2,
    "aten.log1p.default": .log1p, "aten.expm1.default": .expm1, "aten.sin.default": .sin,
    "aten.cos.default": .cos, "aten.erf.default": .erf, "aten.sign.default": .sign,
    "aten.floor.default": .floor, "aten.ceil.default": .ceil, "aten.trunc.default": .trunc,
    "aten.round.default": .round, "aten.logical_not.default": .logicalNot,
  ]
  private static let clampName = "aten.clamp.default"
  private static let geluName = "aten.gelu.default"
  private static let powName = "aten.pow.Tensor_Scalar"
  private static let leakyReluName = "aten.leaky_relu.default"
  private static let eluName = "aten.elu.default"
  private static let softplusName = "aten.softplus.default"

  /// Every name that ``init(name:_:)`` accepts.
  package static var names: [String] {
    plain.keys.sorted() + [clampName, geluName, powName, leakyReluName, eluName, softplusName]
  }

  package init(name: String, _ attributes: Attributes) throws {
    switch name {
    case Self.clampName:
      function = .clamp(min: try attributes.optionalDouble("min"), max: try attributes.optionalDouble("max"))
    case Self.geluName:
      switch try attributes.string("approximate", default: "none") {
      case "none": function = .gelu
      case "tanh": function = .geluTanh
      case let other: throw attributes.invalid("approximate", "is \(other), not none or tanh")
      }
    case Self.powName: function = .pow(exponent: try attributes.double("exponent"))
    case Self.leakyReluName:
      function = .leakyRelu(slope: try attributes.double("negative_slope", default: 0.01))
    case Self.eluName:
      function = .elu(
        alpha: try attributes.double("alpha", default: 1), scale: try attributes.double("scale", default: 1),
        inputScale: try attributes.double("input_scale", default: 1))
    case Self.softplusName:
      function = .softplus(
        beta: try attributes.double("beta", default: 1),
        threshold: try attributes.double("threshold", default: 20))
    default:
      guard let known = Self.plain[name] else {
        throw RBNError(.unsupportedOperator, .model, "\(name) is not an elementwise function known here")
      }
      function = known
    }
  }

  package var name: String {
    switch function {
    case .clamp: Self.clampName
    case .gelu, .geluTanh: Self.geluName
    case .pow: Self.powName
    case .leakyRelu: Self.leakyReluName
    case .elu: Self.eluName
    case .softplus: Self.softplusName
    default: Self.plain.first { $0.value == function }?.key ?? "aten.unknown"
    }
  }

  package var attributes: Attributes {
    switch function {
    case .clamp(let low, let high):
      Attributes(["min": low.map { .double($0) } ?? .none, "max": high.map { .double($0) } ?? .none])
    case .gelu: Attributes(["approximate": .string("none")])
    case .geluTanh: Attributes(["approximate": .string("tanh")])
    case .pow(let exponent): Attributes(["exponent": .double(exponent)])
    case .leakyRelu(let slope): Attributes(["negative_slope": .double(slope)])
    case .elu(let alpha, let scale, let inputScale):
      Attributes(["alpha": .double(alpha), "scale": .double(scale), "input_scale": .double(inputScale)])
    case .softplus(let beta, let threshold):
      Attributes(["beta": .double(beta), "threshold": .double(threshold)])
    default: Attributes()
    }
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    var x = try required(inputs, 0, "input")
    switch function {
    case .logicalNot: x.dtype = .bool
    case .relu, .neg, .abs, .sign, .floor, .ceil, .trunc, .round: break
    case .clamp(let low, let high):
      let isInteger = [low, high].allSatisfy { $0.map { $0.rounded() == $0 } ?? true }
      x.dtype = x.dtype.promoted(withNumber: isInteger)
    case .pow(let exponent):
      guard exponent >= 0 || x.dtype.isFloatingPoint else {
        throw shapeMismatch("integers can't be raised to the power of \(exponent)")
      }
      x.dtype = x.dtype.promoted(withNumber: exponent.rounded() == exponent)
    default: x.dtype = x.dtype.floatingPoint
    }
    return [x]
  }
}
