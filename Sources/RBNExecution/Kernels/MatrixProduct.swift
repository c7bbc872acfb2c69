import CRBNKernels
import RBNTensor

/// Products of row-major matrices that are both computed by the network: the right one is packed at run time into the panels
/// that the convolution's micro-kernels read.
package struct MatrixProduct: Sendable {
  /// K × N.
  let depth: Int
  let columns: Int
  private let tile: KernelTable.ConvTile

  /// Rows of the left matrix in a piece of work.
  private static let rowBlock = 48

  package init(depth: Int, columns: Int, table: KernelTable) {
    self.depth = depth
    self.columns = columns
    tile = table.convTile(channels: columns)
  }

  private var panels: Int { (columns + tile.channels - 1) / tile.channels }

  /// The floats of one packed right matrix.
  package var packedCount: Int { panels * tile.channels * depth }

  /// Packs a matrix whose element (k, n) is at k · `rowStride` + n · `columnStride`.
  package func pack(
    _ matrix: UnsafePointer<Float>, rowStride: Int, columnStride: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    let width = tile.channels
    for panel in 0..<panels {
      let first = panel * width
      let used = min(width, columns - first)
      let target = packed + panel * width * depth
      for k in 0..<depth {
        let (from, to) = (matrix + k * rowStride + first * columnStride, target + k * width)
        if columnStride == 1 {
          to.update(from: from, count: used)
        } else {
          for n in 0..<used { to[n] = from[n * columnStride] }
        }
        if used < width { (to + used).update(repeating: 0, count: width - used) }
      }
    }
  }

  /// out[m, n] = Σ left[m, k] · right[k, n] for some rows of the left matrix. Rows are dense; each sum is in the order of k.
  package func multiply(
    _ left: UnsafePointer<Float>, rowStride: Int, rows: Int, packed: UnsafePointer<Float>,
    out: UnsafeMutablePointer<Float>, outStride: Int
  ) {
    for panel in 0..<panels {
      let first = panel * tile.channels
      var epilogue = rbn_epilogue()
      epilogue.activation = Activation.identity.kernel
      var task = rbn_conv_task()
      task.input = left
      task.input_stride = rowStride
      task.taps = 1
      task.depth = depth
      task.pixels = rows
      task.channels = min(tile.channels, columns - first)
      task.weights = packed + panel * tile.channels * depth
      task.output = out + first
      task.output_stride = outStride
      task.epilogue = epilogue
      tile.function(&task)
    }
  }

  /// Calls `body(batch, firstRow, rows, worker)` for blocks of rows that cover all rows of all batches.
  package static func forEachBlock(
    batches: Int, rows: Int, pool: ThreadPool, _ body: (Int, Int, Int, Int) -> Void
  ) {
    let blocks = (rows + rowBlock - 1) / rowBlock
    pool.parallelFor(count: batches * blocks) { index, worker in
      let (batch, block) = index.quotientAndRemainder(dividingBy: blocks)
      let first = block * rowBlock
      body(batch, first, min(rowBlock, rows - first), worker)
    }
  }

  /// The most rows that a block has.
  package static var blockRows: Int { rowBlock }
}
