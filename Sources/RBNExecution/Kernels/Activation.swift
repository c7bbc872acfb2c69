import CRBNKernels
import RBNGraph

/// An elementwise function that kernels apply to what they computed, before or just after it is stored.
///
/// A NaN stays a NaN in all of them.
package enum Activation: Hashable, Sendable {
  case identity
  /// min(max(x, min), max); either may be infinite.
  case clamp(min: Float, max: Float)
  case hardswish, hardsigmoid, silu, sigmoid
  /// With the error function.
  case gelu
  case geluTanh
  case exp, tanh, neg, abs, sqrt, rsqrt, reciprocal
  case leakyRelu(slope: Float)
  /// alpha · (exp(x) − 1) below zero.
  case elu(alpha: Float)
  case mish

  /// `clamp(0, inf)`.
  package static let relu = Activation.clamp(min: 0, max: .infinity)
  /// `clamp(0, 6)`.
  package static let relu6 = Activation.clamp(min: 0, max: 6)

  /// The kernels' counterpart of an operator; `nil` when they have none.
  package init?(_ function: Unary.Function) {
    switch function {
    case .relu: self = .relu
    case .clamp(let min, let max):
      self = .clamp(min: min.map { Float($0) } ?? -.infinity, max: max.map { Float($0) } ?? .infinity)
    case .sigmoid: self = .sigmoid
    case .hardsigmoid: self = .hardsigmoid
    case .hardswish: self = .hardswish
    case .silu: self = .silu
    case .gelu: self = .gelu
    case .geluTanh: self = .geluTanh
    case .exp: self = .exp
    case .neg: self = .neg
    case .sqrt: self = .sqrt
    case .rsqrt: self = .rsqrt
    case .reciprocal: self = .reciprocal
    case .abs: self = .abs
    case .tanh: self = .tanh
    case .mish: self = .mish
    case .leakyRelu(let slope): self = .leakyRelu(slope: Float(slope))
    case .elu(let alpha, scale: 1, inputScale: 1): self = .elu(alpha: Float(alpha))
    case .pow, .elu, .softplus, .log, .log2, .log1p, .expm1, .sin, .cos, .erf, .sign, .floor, .ceil, .trunc,
      .round, .logicalNot:
      return nil
    }
  }

  var kernel: rbn_activation {
    func plain(_ kind: some RawRepresentable<UInt32>, low: Float = -.infinity) -> rbn_activation {
      rbn_activation(kind: Int32(kind.rawValue), low: low, high: .infinity)
    }
    return switch self {
    case .identity: plain(RBN_CLAMP)
    case .clamp(let min, let max): rbn_activation(kind: Int32(RBN_CLAMP.rawValue), low: min, high: max)
    case .hardswish: plain(RBN_HARDSWISH)
    case .hardsigmoid: plain(RBN_HARDSIGMOID)
    case .silu: plain(RBN_SILU)
    case .sigmoid: plain(RBN_SIGMOID)
    case .gelu: plain(RBN_GELU)
    case .geluTanh: plain(RBN_GELU_TANH)
    case .exp: plain(RBN_EXP)
    case .tanh: plain(RBN_TANH)
    case .neg: plain(RBN_NEG)
    case .abs: plain(RBN_ABS)
    case .sqrt: plain(RBN_SQRT)
    case .rsqrt: plain(RBN_RSQRT)
    case .reciprocal: plain(RBN_RECIPROCAL)
    case .leakyRelu(let slope): plain(RBN_LEAKY_RELU, low: slope)
    case .elu(let alpha): plain(RBN_ELU, low: alpha)
    case .mish: plain(RBN_MISH)
    }
  }
}
