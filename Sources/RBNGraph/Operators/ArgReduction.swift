import RBNTensor

/// The index of the first largest or smallest element along a dimension, or of all elements in row-major order.
///
/// `aten::argmax(Tensor self, int? dim=None, bool keepdim=False)`, `aten::argmin`. A NaN counts as the most extreme. Output int64.
package struct ArgReduction: Operator {
  package enum Function: String, Hashable, Sendable, CaseIterable {
    case argmax, argmin

    package var name: String { "aten.\(rawValue).default" }
  }

  package var function: Function
  package var dim: Int?
  package var keepdim: Bool

  package init(_ function: Function, dim: Int?, keepdim: Bool = false) {
    self.function = function
    self.dim = dim
    self.keepdim = keepdim
  }

  package init(_ function: Function, _ attributes: Attributes) throws {
    self.function = function
    dim = try attributes.optionalInt("dim")
    keepdim = try attributes.bool("keepdim", default: false)
  }

  package var name: String { function.name }
  package var attributes: Attributes {
    Attributes(["dim": dim.map { .int($0) } ?? .none, "keepdim": .bool(keepdim)])
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "self").shape
    let axes = try dim.map { [try axis($0, rank: x.rank)] } ?? Array(x.indices)
    let count = axes.reduce(1) { $0 &* (x.rank > 0 ? x[$1] : 1) }
    guard count > 0 else { throw shapeMismatch("there is no largest element among none: \(x)") }
    guard count <= ExactIntegers.limit else {
      throw shapeMismatch("indices of more than \(ExactIntegers.limit) elements are not supported: \(x)")
    }
    var dimensions: [Int] = []
    for (index, size) in x.enumerated() {
      if !axes.contains(index) { dimensions.append(size) } else if keepdim { dimensions.append(1) }
    }
    return [TensorType(Shape(dimensions), .int64)]
  }
}
