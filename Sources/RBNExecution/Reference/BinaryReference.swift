import RBNGraph
import RBNTensor

extension Binary: ReferenceOperator {
  /// self ∘ (alpha ·) other, broadcast.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let a = try value(inputs, 0)
    let apply = function.reference
    func combine(_ x: Double, _ y: Double) -> Double {
      alpha == 1 ? apply(x, y) : apply(x, alpha * y)
    }
    if let scalar {
      var result = a
      result.values = a.values.map { scalarIsFirst ? combine(scalar, $0) : combine($0, scalar) }
      return [result]
    }
    let b = try value(inputs, 1)
    let shape = try inferTypes(inputs.map(type))[0].shape
    return [ReferenceTensor(shape: shape) { combine(a.broadcast($0), b.broadcast($0)) }]
  }
}

extension Binary.Function {
  /// The function in float64; predicates give 1 and 0.
  package var reference: @Sendable (Double, Double) -> Double {
    switch self {
    case .add: { $0 + $1 }
    case .sub: { $0 - $1 }
    case .mul: { $0 * $1 }
    case .div: { $0 / $1 }
    case .maximum: { $0.isNaN || $1.isNaN ? .nan : Swift.max($0, $1) }
    case .minimum: { $0.isNaN || $1.isNaN ? .nan : Swift.min($0, $1) }
    case .pow: CFunctions.pow
    case .equal: { $0 == $1 ? 1 : 0 }
    case .notEqual: { $0 != $1 ? 1 : 0 }
    case .less: { $0 < $1 ? 1 : 0 }
    case .lessOrEqual: { $0 <= $1 ? 1 : 0 }
    case .greater: { $0 > $1 ? 1 : 0 }
    case .greaterOrEqual: { $0 >= $1 ? 1 : 0 }
    case .logicalAnd: { $0 != 0 && $1 != 0 ? 1 : 0 }
    case .logicalOr: { $0 != 0 || $1 != 0 ? 1 : 0 }
    case .logicalXor: { ($0 != 0) != ($1 != 0) ? 1 : 0 }
    case .floorDivide: { ($0 / $1).rounded(.down) }
    case .truncateDivide: { ($0 / $1).rounded(.towardZero) }
    case .remainder:
      {
        let rest = $0.truncatingRemainder(dividingBy: $1)
        return rest != 0 && (rest < 0) != ($1 < 0) ? rest + $1 : rest
      }
    case .prelu: { $0 > 0 ? $0 : $1 * $0 }
    }
  }
}

extension Where: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let (condition, a, b) = (try value(inputs, 0), try value(inputs, 1), try value(inputs, 2))
    let shape = try inferTypes(inputs.map(type))[0].shape
    return [
      ReferenceTensor(shape: shape) { condition.broadcast($0) != 0 ? a.broadcast($0) : b.broadcast($0) }
    ]
  }
}

extension Cast: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    var x = try value(inputs, 0)
    if dtype == .bool {
      x.values = x.values.map { $0 != 0 ? 1 : 0 }
    } else if !dtype.isFloatingPoint {
      x.values = x.values.map { $0.rounded(.towardZero) }
    }
    return [x]
  }
}
