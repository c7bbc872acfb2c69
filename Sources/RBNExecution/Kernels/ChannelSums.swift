import CRBNKernels

/// Sums over the pixels of (N, pixels, C) float32 activations, in double precision.
///
/// Rows are added in order within chunks of fixed length, chunks in order: the sums are the same whatever the number of
/// threads, and rounded to float they are the correctly rounded ones but for ties.
package struct ChannelSums: Sendable {
  private let table: KernelTable
  private let pool: ThreadPool
  private static let chunk = 512

  package init(table: KernelTable, pool: ThreadPool) {
    self.table = table
    self.pool = pool
  }

  /// The scratch memory that a run needs, in bytes, aligned to 8.
  package static func scratchByteCount(batch: Int, pixels: Int, channels: Int) -> Int {
    batch * ((pixels + chunk - 1) / chunk) * channels * MemoryLayout<Double>.size
  }

  /// Writes (batch, channels) sums.
  package func run(
    input: UnsafePointer<Float>, batch: Int, pixels: Int, channels: Int, sums: UnsafeMutablePointer<Double>,
    scratch: UnsafeMutableRawPointer
  ) {
    let chunks = (pixels + Self.chunk - 1) / Self.chunk
    let partial = scratch.bindMemory(to: Double.self, capacity: batch * chunks * channels)
    let function = table.channelSums.function
    pool.parallelFor(count: batch * chunks) { index, _ in
      let first = index % chunks * Self.chunk
      let target = partial + index * channels
      target.update(repeating: 0, count: channels)
      function(
        input + (index / chunks * pixels + first) * channels, min(Self.chunk, pixels - first), channels,
        channels, target)
    }
    for image in 0..<batch {
      let total = sums + image * channels
      total.update(repeating: 0, count: channels)
      for chunk in 0..<chunks {
        let row = partial + (image * chunks + chunk) * channels
        for c in 0..<channels { total[c] += row[c] }
      }
    }
  }

  /// Writes (batch, channels) sums of squares. Images are summed whole, one a piece of work.
  package func squares(
    input: UnsafePointer<Float>, batch: Int, pixels: Int, channels: Int, sums: UnsafeMutablePointer<Double>
  ) {
    let function = table.channelSquares.function
    sums.update(repeating: 0, count: batch * channels)
    // A run of channels is a piece of work: whole cache lines, so that threads don't share any.
    let run = Swift.max(64, (channels + 7) / 8)
    let runs = (channels + run - 1) / run
    pool.parallelFor(count: batch * runs) { index, _ in
      let (image, part) = index.quotientAndRemainder(dividingBy: runs)
      let first = part * run
      function(
        input + image * pixels * channels + first, pixels, channels, Swift.min(run, channels - first),
        sums + image * channels + first)
    }
  }
}
