import CRBNKernels

/// Changes between the (N, C, H, W) order of tensors and the (N, H, W, C) order of activations.
package struct Layout: Sendable {
  private let table: KernelTable
  private let pool: ThreadPool
  private static let run = 1024

  package init(table: KernelTable, pool: ThreadPool) {
    self.table = table
    self.pool = pool
  }

  /// (batch, channels, pixels) to (batch, pixels, channels); the two must not overlap.
  package func channelsLast(
    _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, batch: Int, channels: Int,
    pixels: Int
  ) {
    transpose(input, output, batch: batch, rows: channels, columns: pixels)
  }

  /// (batch, pixels, channels) to (batch, channels, pixels); the two must not overlap.
  package func channelsFirst(
    _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, batch: Int, channels: Int,
    pixels: Int
  ) {
    transpose(input, output, batch: batch, rows: pixels, columns: channels)
  }

  private func transpose(
    _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, batch: Int, rows: Int, columns: Int
  ) {
    let kernel = table.transpose.function
    let size = rows * columns
    // Cut along the longer side.
    let runs = (max(rows, columns) + Self.run - 1) / Self.run
    pool.parallelFor(count: batch * runs) { index, _ in
      let (image, run) = index.quotientAndRemainder(dividingBy: runs)
      let first = run * Self.run
      let (x, out) = (input + image * size, output + image * size)
      if rows >= columns {
        kernel(x + first * columns, min(Self.run, rows - first), columns, columns, out + first, rows)
      } else {
        kernel(x + first, rows, min(Self.run, columns - first), columns, out + first * rows, rows)
      }
    }
  }
}
