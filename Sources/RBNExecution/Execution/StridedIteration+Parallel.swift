import RBNTensor

extension StridedIteration {
  /// Elements below which starting threads costs more than it gains.
  private static let serialCount = 1 << 14
  /// Pieces of work a thread, so that the last one keeps the others waiting little.
  private static let piecesPerThread = 4

  /// Visits the rows of an iteration on several threads, cut along the dimension that is outermost in memory.
  ///
  /// Every row is visited whole and by one thread; rows of one operand that overlap (stride 0) are for reading only.
  ///
  /// - Parameter work: how much there is to do for an element, in units of a few operations.
  package static func parallelRows(
    shape: Shape, strides: [[Int]], pool: ThreadPool, work: Int = 1, _ body: (Row) -> Void
  ) {
    let count = shape.reduce(max(work, 1)) { $0 &* $1 }
    let axis = shape.indices.filter { shape[$0] > 1 && strides[0][$0] != 0 }.max {
      strides[0][$0] < strides[0][$1]
    }
    guard count >= serialCount, pool.threads > 1, let axis else {
      return StridedIteration(shape: shape, strides: strides).forEachRow(body)
    }
    let pieces = min(shape[axis], pool.threads * piecesPerThread)
    func offset(_ operand: Int, _ first: Int) -> Int {
      operand < strides.count ? strides[operand][axis] &* first : 0
    }
    pool.parallelFor(count: pieces) { index, _ in
      let (first, end) = (shape[axis] * index / pieces, shape[axis] * (index + 1) / pieces)
      var part = shape
      part.dimensions[axis] = end - first
      let base = (offset(0, first), offset(1, first), offset(2, first))
      StridedIteration(shape: part, strides: strides).forEachRow { row in
        var row = row
        row.offsets = (row.offsets.0 + base.0, row.offsets.1 + base.1, row.offsets.2 + base.2)
        body(row)
      }
    }
  }
}
