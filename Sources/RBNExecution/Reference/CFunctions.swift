#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The C library's functions in float64, for places where an enum's cases shadow their names.
enum CFunctions {
  static let exp: @Sendable (Double) -> Double = { exponential($0) }
  static let expm1: @Sendable (Double) -> Double = { exponentialMinus1($0) }
  static let log: @Sendable (Double) -> Double = { logarithm($0) }
  static let log2: @Sendable (Double) -> Double = { logarithm2($0) }
  static let log1p: @Sendable (Double) -> Double = { logarithm1Plus($0) }
  static let sin: @Sendable (Double) -> Double = { sine($0) }
  static let cos: @Sendable (Double) -> Double = { cosine($0) }
  static let erf: @Sendable (Double) -> Double = { errorFunction($0) }
  static let tanh: @Sendable (Double) -> Double = { hyperbolicTangent($0) }
  static let pow: @Sendable (Double, Double) -> Double = { power($0, $1) }

  /// log(1 + exp(x)), which is x where exp overflows.
  static func softplus(_ x: Double) -> Double { Swift.max(x, 0) + logarithm1Plus(exponential(-x.magnitude)) }
}

private func exponential(_ x: Double) -> Double { exp(x) }
private func exponentialMinus1(_ x: Double) -> Double { expm1(x) }
private func logarithm(_ x: Double) -> Double { log(x) }
private func logarithm2(_ x: Double) -> Double { log2(x) }
private func logarithm1Plus(_ x: Double) -> Double { log1p(x) }
private func sine(_ x: Double) -> Double { sin(x) }
private func cosine(_ x: Double) -> Double { cos(x) }
private func errorFunction(_ x: Double) -> Double { erf(x) }
private func hyperbolicTangent(_ x: Double) -> Double { tanh(x) }
private func power(_ x: Double, _ y: Double) -> Double { pow(x, y) }
