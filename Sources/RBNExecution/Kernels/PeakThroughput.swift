import CRBNKernels

/// What the processor can do at most: multiply-adds that read no memory.
package enum PeakThroughput {
  /// Measures for some 0.1 s and gives the floating-point operations in a second of the best repetition; a multiply-add
  /// counts as two.
  ///
  /// - Parameters:
  ///   - instructionSet: the kernels' that the figure is to be compared with.
  ///   - threads: all of them compute.
  package static func measure(_ instructionSet: InstructionSet, threads: Int) -> Double {
    let (kernel, lanes) = kernel(instructionSet)
    let pool = ThreadPool(threads: threads)
    // Pieces of some 0.1 ms, several for each thread, so that a late thread does not spoil a repetition; and short
    // repetitions, so that one is found in which no other process ran.
    let (pieces, iterations) = (pool.threads * 8, 60_000)
    let work = 2 * Double(pieces * iterations) * Double(RBN_PEAK_CHAINS) * Double(lanes)
    var best = 0.0
    for _ in 0..<100 {
      let time = ContinuousClock().measure {
        pool.parallelFor(count: pieces) { _, _ in
          // 0.5 x + 0.5 stays in range.
          withExtendedLifetime(kernel(iterations, 0.5, 0.5)) {}
        }
      }
      best = max(best, work / (time / .seconds(1)))
    }
    return best
  }

  private typealias Function = @Sendable @convention(c) (Int, Float, Float) -> Float

  private static func kernel(_ instructionSet: InstructionSet) -> (Function, lanes: Int) {
    #if arch(x86_64)
      switch instructionSet {
      case .portable: break
      case .avx2: return (rbn_peak_avx2, 8)
      case .avx512: return (rbn_peak_avx512, 16)
      }
    #endif
    return (rbn_peak_portable, 4)
  }
}
