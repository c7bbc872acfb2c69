import CRBNKernels
import RBNTensor

/// Copies between two layouts of one shape: whole rows where both lie densely, transposed blocks where the innermost dimensions
/// change places, element by element otherwise.
package struct StridedCopy: Sendable {
  private let table: KernelTable
  private let pool: ThreadPool

  package init(table: KernelTable, pool: ThreadPool) {
    self.table = table
    self.pool = pool
  }

  /// destination[i] = source[i] over a shape; strides in elements, 0 in the source where it is broadcast.
  package func run(
    _ shape: Shape, from source: UnsafePointer<Float>, _ sourceStrides: [Int],
    to destination: UnsafeMutablePointer<Float>, _ destinationStrides: [Int]
  ) {
    if shape.contains(0) { return }
    let inner = innermost(shape, destinationStrides)
    let read = innermost(shape, sourceStrides)
    guard let inner, let read, inner != read, sourceStrides[read] == 1, destinationStrides[inner] == 1,
      sourceStrides[inner] >= 0
    else {
      StridedIteration.parallelRows(
        shape: shape, strides: [destinationStrides, sourceStrides], pool: pool
      ) { row in Self.copyRow(row, from: source, to: destination) }
      return
    }
    transpose(shape, from: source, sourceStrides, to: destination, destinationStrides, inner, read)
  }

  /// The dimension with the smallest stride other than 0.
  private func innermost(_ shape: Shape, _ strides: [Int]) -> Int? {
    shape.indices.filter { shape[$0] > 1 && strides[$0] > 0 }.min { strides[$0] < strides[$1] }
  }

  private static func copyRow(
    _ row: StridedIteration.Row, from source: UnsafePointer<Float>,
    to destination: UnsafeMutablePointer<Float>
  ) {
    let (out, from) = (destination + row.offsets.0, source + row.offsets.1)
    switch (row.strides.0, row.strides.1) {
    case (1, 1): out.update(from: from, count: row.count)
    case (1, 0): out.update(repeating: from[0], count: row.count)
    default: for i in 0..<row.count { out[i &* row.strides.0] = from[i &* row.strides.1] }
    }
  }

  /// Rows of the source's innermost dimension become columns of the destination's.
  private func transpose(
    _ shape: Shape, from source: UnsafePointer<Float>, _ sourceStrides: [Int],
    to destination: UnsafeMutablePointer<Float>, _ destinationStrides: [Int], _ inner: Int, _ read: Int
  ) {
    let (rows, columns) = (shape[inner], shape[read])
    var outer = shape
    outer.dimensions[inner] = 1
    outer.dimensions[read] = 1
    var offsets: [(to: Int, from: Int)] = []
    StridedIteration(shape: outer, strides: [destinationStrides, sourceStrides]).forEachRow { row in
      for i in 0..<row.count {
        offsets.append((row.offsets.0 + i * row.strides.0, row.offsets.1 + i * row.strides.1))
      }
    }
    let function = table.transpose.function
    // A block of the rows of one outer index is a piece of work.
    let block = max(64, (1 << 14) / max(columns, 1))
    let blocks = (rows + block - 1) / block
    let known = offsets
    pool.parallelFor(count: known.count * blocks) { index, _ in
      let (position, number) = index.quotientAndRemainder(dividingBy: blocks)
      let first = number * block
      // The kernel writes out[c · stride + r] = x[r · stride + c].
      function(
        source + known[position].from + first * sourceStrides[inner], min(block, rows - first), columns,
        sourceStrides[inner], destination + known[position].to + first, destinationStrides[read])
    }
  }
}
