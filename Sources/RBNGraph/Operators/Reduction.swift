import RBNTensor

/// The mean, sum, … over some dimensions.
///
/// `aten::mean.dim(Tensor self, int[1]? dim, bool keepdim=False)`, `aten::sum.dim_IntList`, `aten::amax`, `aten::amin`,
/// `aten::prod.dim_int`, `aten::var.correction`. An empty or absent `dim` means all dimensions. A NaN among the elements gives NaN.
package struct Reduction: Operator {
  package enum Function: Hashable, Sendable {
    case mean, sum, amax, amin, prod
    /// Σ (x − mean)² / max(count − correction, 0).
    case variance(correction: Double)
    /// log Σ exp(x).
    case logsumexp

    /// One of each name.
    package static let all: [Function] = [
      .mean, .sum, .amax, .amin, .prod, .variance(correction: 1), .logsumexp,
    ]

    package var name: String {
      switch self {
      case .mean: "aten.mean.dim"
      case .sum: "aten.sum.dim_IntList"
      case .amax: "aten.amax.default"
      case .amin: "aten.amin.default"
      case .prod: "aten.prod.dim_int"
      case .variance: "aten.var.correction"
      case .logsumexp: "aten.logsumexp.default"
      }
    }

    /// Whether it has no value for no elements.
    fileprivate var needsElements: Bool { self == .amax || self == .amin }
  }

  package var function: Function
  package var dims: [Int]
  package var keepdim: Bool

  package init(_ function: Function, dims: [Int], keepdim: Bool) {
    self.function = function
    self.dims = dims
    self.keepdim = keepdim
  }

  package init(_ function: Function, _ attributes: Attributes) throws {
    self.function = function
    if case .variance = function {
      self.function = .variance(correction: try attributes.double("correction", default: 1))
    }
    dims = attributes["dim"] == .some(.none) ? [] : try attributes.ints("dim", in: AttributeRange.axis)
    keepdim = try attributes.bool("keepdim", default: false)
  }

  package var name: String { function.name }
  package var attributes: Attributes {
    var attributes = Attributes(["dim": .ints(dims)])
    if case .variance(let correction) = function { attributes.set("correction", .double(correction)) }
    attributes.set("keepdim", .bool(keepdim))
    return attributes
  }

  /// The dimensions reduced, sorted, none negative.
  package func axes(rank: Int) throws -> [Int] {
    if dims.isEmpty || rank == 0 { return Array(0..<rank) }
    let axes = try dims.map { try axis($0, rank: rank) }
    guard Set(axes).count == axes.count else { throw shapeMismatch("a dimension appears twice in \(dims)") }
    return axes.sorted()
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "self")
    let axes = try axes(rank: x.shape.rank)
    if function.needsElements, axes.contains(where: { x.shape[$0] == 0 }) {
      throw shapeMismatch("there is no largest element among none: \(x.shape)")
    }
    var dimensions: [Int] = []
    for (index, size) in x.shape.enumerated() {
      if !axes.contains(index) {
        dimensions.append(size)
      } else if keepdim {
        dimensions.append(1)
      }
    }
    return [TensorType(Shape(dimensions), resultType(x.dtype))]
  }

  private func resultType(_ dtype: DType) -> DType {
    switch function {
    case .amax, .amin: dtype
    case .sum, .prod: dtype.isFloatingPoint ? dtype : .int64
    default: dtype.floatingPoint
    }
  }
}
