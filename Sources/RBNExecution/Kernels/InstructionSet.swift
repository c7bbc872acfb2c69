import CRBNKernels

/// A family of vector instructions that the kernels exist in.
package enum InstructionSet: String, CaseIterable, Comparable, Sendable, CustomStringConvertible {
  /// What every processor of the architecture has: SSE2 on x86-64, NEON on arm64.
  case portable
  /// AVX2 and FMA.
  case avx2
  /// AVX-512 F, VL, DQ and BW.
  case avx512

  /// Those that this processor and its operating system run, slowest first.
  package static let available: [InstructionSet] = allCases.filter(\.isAvailable)

  /// The fastest that this processor and its operating system run.
  package static var best: InstructionSet { available.max() ?? .portable }

  private var isAvailable: Bool {
    switch self {
    case .portable: true
    case .avx2: rbn_supports_avx2() != 0
    case .avx512: rbn_supports_avx512() != 0
    }
  }

  /// Later cases are faster.
  package static func < (a: InstructionSet, b: InstructionSet) -> Bool {
    switch (a, b) {
    case (.portable, .avx2), (.portable, .avx512), (.avx2, .avx512): true
    default: false
    }
  }

  /// The name on the command line.
  package var description: String { rawValue }
}
