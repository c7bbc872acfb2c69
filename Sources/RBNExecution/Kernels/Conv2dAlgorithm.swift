import RBNTensor

/// A way to compute a convolution, with its weights packed for it.
package protocol Conv2dAlgorithm: Sendable, CustomStringConvertible {
  var parameters: Conv2dParameters { get }
  /// The bytes that packed weights take.
  var byteCount: Int { get }

  /// Decides how the work is cut into pieces. Results do not depend on it.
  ///
  /// - Throws: `kernel.invalid-convolution` when the window does not fit.
  func plan(_ problem: Conv2dProblem) throws -> any PlannedConv2d
}

/// What a convolution is planned for.
package struct Conv2dProblem: Hashable, Sendable {
  package var batch: Int
  package var height: Int
  package var width: Int
  package var threads: Int
  /// Whether the epilogue will have an affine map for each instance.
  package var hasAffine: Bool
  /// Whether the epilogue will collect sums.
  package var collectsSums: Bool
  /// Whether the epilogue has something to do with channels when they are complete, if the plan can.
  var wantsCompletion = false

  package init(
    batch: Int, height: Int, width: Int, threads: Int, hasAffine: Bool = false, collectsSums: Bool = false
  ) {
    self.batch = batch
    self.height = height
    self.width = width
    self.threads = threads
    self.hasAffine = hasAffine
    self.collectsSums = collectsSums
  }

  /// Whether images must be kept apart, because something differs or is collected for each.
  var isPerInstance: Bool { hasAffine || collectsSums }
}

/// A convolution of known sizes, ready to run.
package protocol PlannedConv2d: Sendable {
  /// The scratch memory that a run needs, in bytes, aligned to 64.
  var scratchByteCount: Int { get }

  /// Whether each piece of the work makes all pixels of its channels, so that it can go on with them.
  var completesChannels: Bool { get }

  /// Computes the convolution.
  ///
  /// - Parameters:
  ///   - input: (batch, height, width, inChannels).
  ///   - output: (batch, output height, output width, outChannels); must not overlap the input.
  ///   - epilogue: With an affine map or sums only where the problem said so.
  ///   - scratch: ``scratchByteCount`` bytes, aligned to 64.
  ///   - pool: Of at most as many threads as the problem said.
  func run(
    input: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, epilogue: Conv2dEpilogue,
    scratch: UnsafeMutableRawPointer, pool: ThreadPool)
}

/// Partial sums in single precision, [instance][rows][channels], and their reduction in double.
struct PartialSums {
  let rows: Int
  let channels: Int

  /// Whole cache lines, so that what lies behind is aligned for doubles.
  func byteCount(batch: Int) -> Int {
    TensorStorage.aligned(batch * rows * channels * MemoryLayout<Float>.size)
  }

  /// The row of an instance, from the first of all.
  func row(_ instance: Int, _ row: Int, in partial: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<
    Float
  > {
    partial + (instance * rows + row) * channels
  }

  /// Adds the rows of some channels of one instance in order.
  func reduce(
    _ partial: UnsafeMutablePointer<Float>, instance: Int, _ range: Range<Int>,
    into sums: UnsafeMutablePointer<Double>, table: KernelTable
  ) {
    let total = sums + instance * channels + range.lowerBound
    total.update(repeating: 0, count: range.count)
    table.channelSums.function(
      row(instance, 0, in: partial) + range.lowerBound, rows, channels, range.count, total)
  }

  /// Adds the rows in order.
  func reduce(
    _ partial: UnsafeMutablePointer<Float>, batch: Int, into sums: UnsafeMutablePointer<Double>,
    table: KernelTable
  ) {
    for instance in 0..<batch {
      reduce(partial, instance: instance, 0..<channels, into: sums, table: table)
    }
  }
}
