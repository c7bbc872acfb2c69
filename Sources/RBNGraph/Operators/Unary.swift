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
  ]
  private static let clampName = "aten.clamp.default"
  private static let geluName = "aten.gelu.default"
  private static let powName = "aten.pow.Tensor_Scalar"

  /// Every name that ``init(name:_:)`` accepts.
  package static var names: [String] { plain.keys.sorted() + [clampName, geluName, powName] }

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
    default: Attributes()
    }
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    [try required(inputs, 0, "input")]
  }
}
