import RBNTensor

/// Which sizes of its inputs an exported program fixes.
///
/// A program that was exported with static shapes has the example's sizes as literals wherever the network asked for a
/// size. Whether the program still means the same for another batch size, height or width is tried out by shape inference at
/// other sizes, watching the operators whose literals may come from the example: a size for which one of them does
/// not simply carry the changed dimension through is fixed. Sizes that were exported as symbols are free.
enum FixedSizes {
  /// The shapes that the inputs accept: `nil` for free sizes.
  static func shapes(of graph: Graph, symbolic: [[Bool]]) throws -> [[Int?]] {
    var result = graph.inputs.map { input in input.exampleShape.map { Int?.some($0) } }
    var open = graph
    for index in graph.inputs.indices {
      for axis in result[index].indices where symbolic[index][axis] { result[index][axis] = nil }
      open.inputs[index].shape = result[index].map { _ in nil }
    }
    let example = graph.inputs.map(\.exampleShape)
    let before = try open.inferTypes(inputShapes: example)
    var free = [0, 2, 3].filter { axis in
      isFree(open, [axis], example: example, before: before, symbolic: symbolic)
    }
    if free.contains(2), free.contains(3),
      !isFree(open, [2, 3], example: example, before: before, symbolic: symbolic)
    {
      free = free.filter { $0 == 0 }
    }
    for index in result.indices where result[index].count == 4 {
      for axis in free { result[index][axis] = nil }
    }
    return result
  }

  /// Whether at least one other size of some axes of the images works, and none changes the meaning of the program.
  private static func isFree(
    _ graph: Graph, _ axes: [Int], example: [Shape], before: [TensorType?], symbolic: [[Bool]]
  ) -> Bool {
    // One more image, and sizes that networks with strides up to 64 accept too.
    let changes: [(Int) -> Int?] =
      axes == [0]
      ? [{ sum($0, 1) }, { sum($0, $0).flatMap { sum($0, 1) } }]
      : [{ sum($0, $0) }, { sum($0, 32) }, { sum($0, 64) }]
    var worked = false
    for change in changes {
      var shapes = example
      for index in shapes.indices where shapes[index].rank == 4 {
        for axis in axes where !symbolic[index][axis] {
          guard let size = change(shapes[index][axis]) else { return false }
          shapes[index].dimensions[axis] = size
        }
      }
      if shapes == example { return true }
      guard let after = try? graph.inferTypes(inputShapes: shapes) else { continue }
      worked = true
      let sizes = Set(example.filter { $0.rank == 4 }.flatMap { shape in axes.map { shape[$0] } })
      for node in graph.nodes where !carriesThrough(node, before, after, example: sizes) { return false }
    }
    return worked
  }

  private static func sum(_ a: Int, _ b: Int) -> Int? {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? nil : sum
  }

  /// Whether an operator treats a changed dimension of its input as any other size, as far as its literals tell.
  private static func carriesThrough(
    _ node: Graph.Node, _ before: [TensorType?], _ after: [TensorType?], example: Set<Int>
  ) -> Bool {
    guard let input = node.inputs.first.flatMap({ $0 }), let output = node.outputs.first,
      let x0 = before[input.index]?.shape, let x1 = after[input.index]?.shape,
      let y0 = before[output.index]?.shape, let y1 = after[output.index]?.shape
    else { return true }
    let changed = x0.rank == x1.rank ? x0.indices.filter { x0[$0] != x1[$0] } : []
    switch node.op {
    case let reshape as Reshape:
      if reshape.sizes.allSatisfy({ !$0.isLiteral }) { return true }
      let grown = y0.indices.filter { y0[$0] != y1[$0] }
      let hasLiteralOne = reshape.sizes.contains(.literal(1))
      return changed.allSatisfy { axis in
        grown.contains {
          // A literal 1 may be the example's size of the dimension, which then ended up in another one by -1.
          let isMisplaced = hasLiteralOne && x0[axis] == 1 && y0[$0] != 1
          return !isMisplaced && covers(y1, $0, x1, axis)
        }
      }
    case let expand as Expand:
      // A literal may be the example's size, unless the dimension keeps its own.
      return zip(expand.sizes, y1.indices).allSatisfy { size, axis in
        let own = axis - (y1.rank - x1.rank)
        let isKept = own >= 0 && x1[own] != 1
        return !size.isLiteral || isKept || y1[axis] == 1 || !example.contains(y1[axis])
      }
    case let slice as Slice:
      guard let axis = try? slice.axis(slice.dim, rank: x0.rank), changed.contains(axis) else { return true }
      return slice.start <= 0 && (slice.end == Int.max || slice.end < 0)
    case let pool as MaxPool2d: return !coversMap(pool.window, x0, changed)
    case let pool as AvgPool2d: return !coversMap(pool.window, x0, changed)
    case let reduction as Reduction where reduction.function == .sum:
      // The sum is likely to be divided by a literal count.
      guard let axes = try? reduction.axes(rank: x0.rank) else { return true }
      return !axes.contains { changed.contains($0) }
    case let upsample as Upsample2d:
      // Literal sizes are likely to be those of the example, or of a part of the network that shrinks with it.
      guard let sizes = upsample.outputSize, sizes.contains(where: \.isLiteral) else { return true }
      return !changed.contains(2) && !changed.contains(3)
    case let argument as ArgReduction where argument.dim == nil: return changed.isEmpty
    default: return true
    }
  }

  /// Whether a window is as large as the example's map in a dimension that changes: a global pooling by the example's size.
  private static func coversMap(_ window: PoolWindow, _ shape: Shape, _ changed: [Int]) -> Bool {
    [2, 3].contains {
      changed.contains($0) && window.kernel[$0 - 2] > 1 && window.kernel[$0 - 2] >= shape[$0]
    }
  }

  /// Whether dimension `outer` of one shape, in row-major order, holds all of dimension `inner` of another.
  private static func covers(_ a: Shape, _ outer: Int, _ b: Shape, _ inner: Int) -> Bool {
    func span(_ shape: Shape, _ axis: Int) -> (low: Int, high: Int) {
      var low = 1
      for size in shape.dimensions[(axis + 1)...] {
        low = low.multipliedReportingOverflow(by: size).partialValue
      }
      return (low, low.multipliedReportingOverflow(by: shape[axis]).partialValue)
    }
    let (mine, theirs) = (span(a, outer), span(b, inner))
    return mine.low <= theirs.low && theirs.high <= mine.high
  }
}
