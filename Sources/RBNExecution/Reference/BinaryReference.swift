import RBNGraph
import RBNTensor

extension Binary: ReferenceOperator {
  /// self ∘ (alpha ·) other, broadcast.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let a = try value(inputs, 0)
    if let scalar {
      var result = a
      result.values = a.values.map { scalarIsFirst ? apply(scalar, $0) : apply($0, scalar) }
      return [result]
    }
    let b = try value(inputs, 1)
    let shape = try inferTypes(inputs.map(type))[0].shape
    return [ReferenceTensor(shape: shape) { apply(a.broadcast($0), b.broadcast($0)) }]
  }

  private func apply(_ a: Double, _ b: Double) -> Double {
    switch function {
    case .add: a + alpha * b
    case .sub: a - alpha * b
    case .mul: a * b
    case .div: a / b
    }
  }
}
