import RBNTensor

/// Visits the elements of up to three operands of one shape in the memory order of the first, row by row.
///
/// Dimensions of size 1 are dropped and neighbours that are dense in all operands are merged, so that rows are long.
package struct StridedIteration: Sendable {
  /// Sizes and element strides of the outer dimensions, then those of the row.
  private var sizes: [Int] = []
  private var strides: [[Int]] = []
  private let isEmpty: Bool

  /// - Parameter strides: for each operand its element strides, 0 where it is broadcast.
  package init(shape: Shape, strides given: [[Int]]) {
    isEmpty = shape.contains(0)
    let order = shape.indices.filter { shape[$0] != 1 }.sorted { given[0][$0] > given[0][$1] }
    for axis in order {
      let step = given.map { $0[axis] }
      if let last = strides.last, zip(last, step).allSatisfy({ $0 == $1 &* shape[axis] }) {
        sizes[sizes.count - 1] &*= shape[axis]
        strides[strides.count - 1] = step
      } else {
        sizes.append(shape[axis])
        strides.append(step)
      }
    }
    if sizes.isEmpty {
      sizes = [1]
      strides = [[Int](repeating: 0, count: given.count)]
    }
  }

  package struct Row {
    package var count: Int
    /// For each operand the offset of the row's first element and the stride between elements.
    package var offsets: (Int, Int, Int)
    package var strides: (Int, Int, Int)
  }

  package func forEachRow(_ body: (Row) -> Void) {
    if isEmpty { return }
    let last = sizes.count - 1
    func stride(_ axis: Int, _ operand: Int) -> Int {
      operand < strides[axis].count ? strides[axis][operand] : 0
    }
    var row = Row(
      count: sizes[last], offsets: (0, 0, 0), strides: (stride(last, 0), stride(last, 1), stride(last, 2)))
    var position = [Int](repeating: 0, count: last)
    while true {
      body(row)
      var axis = last - 1
      while axis >= 0 {
        position[axis] += 1
        row.offsets.0 += stride(axis, 0)
        row.offsets.1 += stride(axis, 1)
        row.offsets.2 += stride(axis, 2)
        if position[axis] < sizes[axis] { break }
        row.offsets.0 -= stride(axis, 0) * sizes[axis]
        row.offsets.1 -= stride(axis, 1) * sizes[axis]
        row.offsets.2 -= stride(axis, 2) * sizes[axis]
        position[axis] = 0
        axis -= 1
      }
      if axis < 0 { return }
    }
  }
}

extension StridedIteration {
  /// destination[i] = source[i] over a shape.
  package static func copy(
    shape: Shape, from source: UnsafePointer<Float>, _ sourceStrides: [Int],
    to destination: UnsafeMutablePointer<Float>, _ destinationStrides: [Int]
  ) {
    StridedIteration(shape: shape, strides: [destinationStrides, sourceStrides]).forEachRow { row in
      let (out, from) = (destination + row.offsets.0, source + row.offsets.1)
      if row.strides.0 == 1 && row.strides.1 == 1 {
        out.update(from: from, count: row.count)
      } else {
        for i in 0..<row.count { out[i &* row.strides.0] = from[i &* row.strides.1] }
      }
    }
  }
}
