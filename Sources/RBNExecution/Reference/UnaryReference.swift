import RBNGraph
import RBNTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The sigmoid, 1 / (1 + exp(−x)).
func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

/// min(max(x, low), high), where a NaN stays a NaN.
private func bounded(_ x: Double, _ low: Double, _ high: Double) -> Double {
  x.isNaN ? x : Swift.min(Swift.max(x, low), high)
}

extension Unary: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    var x = try value(inputs, 0)
    x.values = x.values.map(function.reference)
    return [x]
  }
}

extension Unary.Function {
  /// The function in float64.
  var reference: (Double) -> Double {
    switch self {
    case .relu: { bounded($0, 0, .infinity) }
    case .clamp(let low, let high): { bounded($0, low ?? -.infinity, high ?? .infinity) }
    case .sigmoid: { logistic($0) }
    case .hardsigmoid: { bounded($0 + 3, 0, 6) / 6 }
    case .hardswish: { $0 * bounded($0 + 3, 0, 6) / 6 }
    case .silu: { $0 * logistic($0) }
    case .gelu: { 0.5 * $0 * (1 + CFunctions.erf($0 / 2.0.squareRoot())) }
    case .geluTanh:
      {
        0.5 * $0 * (1 + CFunctions.tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0)))
      }
    case .exp: CFunctions.exp
    case .neg: { -$0 }
    case .sqrt: { $0.squareRoot() }
    case .rsqrt: { 1 / $0.squareRoot() }
    case .reciprocal: { 1 / $0 }
    case .abs: { Swift.abs($0) }
    case .tanh: CFunctions.tanh
    case .pow(let exponent): { CFunctions.pow($0, exponent) }
    case .leakyRelu(let slope): { $0 > 0 ? $0 : slope * $0 }
    case .elu(let alpha, let scale, let inputScale):
      { $0 > 0 ? scale * $0 : scale * alpha * CFunctions.expm1(inputScale * $0) }
    case .softplus(let beta, let threshold):
      { beta * $0 > threshold ? $0 : CFunctions.log1p(CFunctions.exp(beta * $0)) / beta }
    case .mish: { $0 * CFunctions.tanh(CFunctions.softplus($0)) }
    case .log: CFunctions.log
    case .log2: CFunctions.log2
    case .log1p: CFunctions.log1p
    case .expm1: CFunctions.expm1
    case .sin: CFunctions.sin
    case .cos: CFunctions.cos
    case .erf: CFunctions.erf
    case .sign: { $0.isNaN ? 0 : $0 > 0 ? 1 : $0 < 0 ? -1 : 0 }
    case .floor: { $0.rounded(.down) }
    case .ceil: { $0.rounded(.up) }
    case .trunc: { $0.rounded(.towardZero) }
    case .round: { $0.rounded(.toNearestOrEven) }
    case .logicalNot: { $0 == 0 ? 1 : 0 }
    }
  }
}
