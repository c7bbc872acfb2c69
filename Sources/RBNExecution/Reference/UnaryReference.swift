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
    case .gelu: { 0.5 * $0 * (1 + erf($0 / 2.0.squareRoot())) }
    case .geluTanh:
      {
        0.5 * $0 * (1 + Self.hyperbolicTangent((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0)))
      }
    case .exp: Self.exponential
    case .neg: { -$0 }
    case .sqrt: { $0.squareRoot() }
    case .rsqrt: { 1 / $0.squareRoot() }
    case .reciprocal: { 1 / $0 }
    case .abs: { Swift.abs($0) }
    case .tanh: Self.hyperbolicTangent
    case .pow(let exponent): { Self.power($0, exponent) }
    }
  }

  // The C functions, under names that the cases do not shadow.
  private static let exponential: @Sendable (Double) -> Double = { x in exponentialFunction(x) }
  private static let hyperbolicTangent: @Sendable (Double) -> Double = { x in hyperbolicTangentFunction(x) }
  private static let power: @Sendable (Double, Double) -> Double = { x, y in powerFunction(x, y) }
}

private func exponentialFunction(_ x: Double) -> Double { exp(x) }
private func hyperbolicTangentFunction(_ x: Double) -> Double { tanh(x) }
private func powerFunction(_ x: Double, _ y: Double) -> Double { pow(x, y) }
