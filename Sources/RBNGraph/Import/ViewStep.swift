import RBNTensor

/// One step from a tensor to a view of it: an operator whose output shares the storage of its first input.
struct ViewStep: Sendable {
  var op: any Operator
  /// Values whose sizes the operator's size expressions mention.
  var extra: [Graph.ValueID] = []

  init(_ op: any Operator, extra: [Graph.ValueID] = []) {
    self.op = op
    self.extra = extra
  }

  /// A reshape of `value` to sizes that may depend on it and on other values.
  static func reshape(_ sizes: [SymbolicSize], of value: Graph.ValueID) -> ViewStep {
    let (expressions, extra) = sizes.expressions(first: value)
    return ViewStep(Reshape(sizes: expressions), extra: extra)
  }

  /// Whether two steps from one tensor reach no common element.
  func isDisjoint(from other: ViewStep, base: TensorType) -> Bool {
    guard let a = op as? Slice, let b = other.op as? Slice, base.shape.rank > 0,
      let axis = try? a.axis(a.dim, rank: base.shape.rank),
      axis == (try? b.axis(b.dim, rank: base.shape.rank))
    else { return false }
    let (first, second) = (a.range(size: base.shape[axis]), b.range(size: base.shape[axis]))
    func end(_ range: (start: Int, count: Int), _ slice: Slice) -> Int {
      range.count == 0 ? range.start : range.start + (range.count - 1) * slice.step + 1
    }
    return end(first, a) <= second.start || end(second, b) <= first.start
  }

  static func == (left: ViewStep, right: ViewStep) -> Bool {
    left.op.name == right.op.name && left.op.attributes == right.op.attributes && left.extra == right.extra
  }
}

/// A tensor's memory, which several values of the program may look at: what makes writes in place visible elsewhere.
struct TracedStorage: Sendable {
  enum Origin: Hashable, Sendable {
    case node
    case buffer(key: String)
    /// Parameters and constants: nothing may write to them.
    case parameter(key: String)
  }

  struct Write: Sendable {
    var path: [ViewStep]
    var value: Graph.ValueID
  }

  var origin: Origin
  /// The whole tensor, with the writes before ``foldedCount`` in it.
  var base: Graph.ValueID
  var foldedCount = 0
  /// Every write so far, in order. Their number is the storage's version.
  var writes: [Write] = []
}

/// A value of the program: a view of a storage.
struct TracedTensor: Sendable {
  var storage: Int
  /// How the view is made of the whole tensor; empty for the tensor itself.
  var path: [ViewStep]
  /// The value in our graph, as it was when `version` writes had been made.
  var cached: Graph.ValueID
  var version: Int
  /// Where the exporter recorded them, the strides of the example.
  var strides: [Int]
}

/// Strides, for telling views from copies.
enum Strides {
  /// Whether elements laid out with these strides can be seen under another shape without a copy: PyTorch's
  /// `computeStride` (ATen/TensorUtils.cpp).
  static func allowView(_ shape: Shape, _ strides: [Int], as newShape: Shape) -> Bool {
    guard shape.rank == strides.count, let innermost = strides.last, !shape.contains(0) else { return true }
    var viewAxis = newShape.rank - 1
    var (chunkStride, chunkCount, viewCount) = (innermost, 1, 1)
    for axis in shape.indices.reversed() {
      chunkCount = chunkCount.multipliedReportingOverflow(by: shape[axis]).partialValue
      let (span, overflow) = chunkCount.multipliedReportingOverflow(by: chunkStride)
      // A run of axes that lie one after another in memory ends here.
      guard axis == 0 || (shape[axis - 1] != 1 && (overflow || strides[axis - 1] != span)) else { continue }
      while viewAxis >= 0, viewCount < chunkCount || newShape[viewAxis] == 1 {
        viewCount = viewCount.multipliedReportingOverflow(by: newShape[viewAxis]).partialValue
        viewAxis -= 1
      }
      if viewCount != chunkCount { return false }
      if axis > 0 { (chunkStride, chunkCount, viewCount) = (strides[axis - 1], 1, 1) }
    }
    return viewAxis == -1
  }

  /// Whether the elements lie one after another, with `order`'s axes from the outermost to the innermost.
  static func areContiguous(_ shape: Shape, _ strides: [Int], order: [Int]) -> Bool {
    guard shape.rank == strides.count, order.count == shape.rank else { return false }
    var expected = 1
    for axis in order.reversed() where shape[axis] != 1 {
      guard strides[axis] == expected else { return false }
      expected = expected.multipliedReportingOverflow(by: shape[axis]).partialValue
    }
    return true
  }
}
