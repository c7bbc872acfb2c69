import RBNGraph
import RBNTensor

/// A float64 tensor in row-major order: what the reference operators compute with.
package struct ReferenceTensor: Sendable {
  package var shape: Shape
  package var values: [Double]

  package init(shape: Shape, values: [Double]) {
    self.shape = shape
    self.values = values
  }

  package init(_ tensor: Tensor) {
    shape = tensor.shape
    values = tensor.doubles
  }

  /// A tensor whose element at each index is `element(index)`.
  package init(shape: Shape, _ element: ([Int]) -> Double) {
    self.shape = shape
    values = []
    values.reserveCapacity(shape.reduce(1, *))
    Self.forEachIndex(shape) { values.append(element($0)) }
  }

  /// As a float32 or float64 tensor.
  package func tensor(_ dtype: DType = .float64) throws -> Tensor {
    let wide = try Tensor(shape: shape, dtype: .float64) { bytes in
      values.withUnsafeBytes { bytes.copyMemory(from: $0) }
    }
    return try wide.converted(to: dtype)
  }

  /// Visits every index of a shape, the last dimension fastest.
  static func forEachIndex(_ shape: Shape, _ body: ([Int]) -> Void) {
    if shape.contains(0) { return }
    var index = [Int](repeating: 0, count: shape.rank)
    while true {
      body(index)
      var axis = shape.rank - 1
      while axis >= 0 {
        index[axis] += 1
        if index[axis] < shape[axis] { break }
        index[axis] = 0
        axis -= 1
      }
      if axis < 0 { return }
    }
  }

  func offset(_ index: [Int]) -> Int {
    zip(index, shape).reduce(0) { $0 * $1.1 + $1.0 }
  }

  subscript(index: [Int]) -> Double { values[offset(index)] }

  /// The element at an index of a shape that this one is broadcast to.
  func broadcast(_ index: [Int]) -> Double {
    let added = index.count - shape.rank
    return self[shape.indices.map { shape[$0] == 1 ? 0 : index[$0 + added] }]
  }
}

/// An operator with a readable evaluation in float64, straight from its definition: the oracle of the tests.
package protocol ReferenceOperator: Operator {
  /// The outputs. The shapes have passed shape inference.
  func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor]
}

extension ReferenceOperator {
  /// A required input.
  func value(_ inputs: [ReferenceTensor?], _ index: Int) throws -> ReferenceTensor {
    guard index < inputs.count, let value = inputs[index] else {
      throw RBNError(.malformedGraph, .model, location: name, "its input \(index) is missing")
    }
    return value
  }

  /// A parameter with one number a channel; `absent` for each when it is not there.
  func channels(_ inputs: [ReferenceTensor?], _ index: Int, count: Int, absent: Double) -> [Double] {
    guard index < inputs.count, let value = inputs[index] else {
      return [Double](repeating: absent, count: count)
    }
    return value.values
  }

  func type(_ value: ReferenceTensor?) -> TensorType? { value.map { TensorType($0.shape) } }
}
