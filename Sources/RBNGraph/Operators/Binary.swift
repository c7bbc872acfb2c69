import RBNTensor

/// An elementwise function of two tensors, or of a tensor and a number, with broadcasting.
///
/// `aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1)` and its like. Inputs: self and other; when `scalar` is
/// given there is only self, and the number stands for other (or for self, when `scalarIsFirst`).
package struct Binary: Operator {
  package enum Function: String, Hashable, Sendable, CaseIterable {
    case add, sub, mul, div
    case maximum, minimum, pow
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
    case logicalAnd, logicalOr, logicalXor
    /// Rounded towards negative infinity, and towards zero.
    case floorDivide, truncateDivide
    /// With the sign of the divisor, as Python's `%`.
    case remainder
    /// x where positive, else other · x; `aten::prelu` with its weight reshaped to be broadcast.
    case prelu

    /// The ATen overload.
    package var name: String {
      switch self {
      case .add, .sub, .mul, .div: "aten.\(rawValue).Tensor"
      case .maximum: "aten.maximum.default"
      case .minimum: "aten.minimum.default"
      case .pow: "aten.pow.Tensor_Tensor"
      case .equal: "aten.eq.Tensor"
      case .notEqual: "aten.ne.Tensor"
      case .less: "aten.lt.Tensor"
      case .lessOrEqual: "aten.le.Tensor"
      case .greater: "aten.gt.Tensor"
      case .greaterOrEqual: "aten.ge.Tensor"
      case .logicalAnd: "aten.logical_and.default"
      case .logicalOr: "aten.logical_or.default"
      case .logicalXor: "aten.logical_xor.default"
      case .floorDivide: "aten.floor_divide.default"
      case .truncateDivide: "aten.div.Tensor_mode"
      case .remainder: "aten.remainder.Tensor"
      case .prelu: "aten.prelu.default"
      }
    }

    /// Whether the result is true or false.
    package var isPredicate: Bool {
      switch self {
      case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual, .logicalAnd, .logicalOr,
        .logicalXor:
        true
      default: false
      }
    }
  }

  package var function: Function
  package var scalar: Double?
  package var scalarIsFirst: Bool
  /// Multiplies other in `add` and `sub`.
  package var alpha: Double

  package init(_ function: Function, scalar: Double? = nil, scalarIsFirst: Bool = false, alpha: Double = 1) {
    self.function = function
    self.scalar = scalar
    self.scalarIsFirst = scalarIsFirst
    self.alpha = alpha
  }

  /// Every name that ``init(name:_:)`` accepts.
  package static var names: [String] { Function.allCases.map(\.name) }

  package init(name: String, _ attributes: Attributes) throws {
    guard let function = Function.allCases.first(where: { $0.name == name }) else {
      throw RBNError(.unsupportedOperator, .model, "\(name) is not a binary function known here")
    }
    self.function = function
    scalar = try attributes.optionalDouble("scalar")
    scalarIsFirst = try attributes.bool("scalar_is_first", default: false)
    alpha = try attributes.double("alpha", default: 1)
  }

  package var name: String { function.name }

  package var attributes: Attributes {
    var attributes = Attributes()
    if alpha != 1 { attributes.set("alpha", .double(alpha)) }
    if let scalar {
      attributes.set("scalar", .double(scalar))
      if scalarIsFirst { attributes.set("scalar_is_first", .bool(true)) }
    }
    return attributes
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let a = try required(inputs, 0, "self")
    if let scalar {
      let isInteger = scalar.rounded() == scalar && scalar.magnitude <= Double(ExactIntegers.limit)
      return [TensorType(a.shape, resultType(a.dtype.promoted(withNumber: isInteger)))]
    }
    let b = try required(inputs, 1, "other")
    guard let shape = Self.broadcast(a.shape, b.shape) else {
      throw shapeMismatch("the shapes \(a.shape) and \(b.shape) can't be broadcast together")
    }
    return [TensorType(shape, resultType(a.dtype.promoted(with: b.dtype)))]
  }

  private func resultType(_ operands: DType) -> DType {
    if function.isPredicate { return .bool }
    return function == .div ? operands.floatingPoint : operands
  }

  /// The common shape of two tensors by the rules of NumPy; `nil` when they have none.
  package static func broadcast(_ a: Shape, _ b: Shape) -> Shape? {
    let rank = max(a.rank, b.rank)
    var dimensions = [Int](repeating: 1, count: rank)
    for back in 0..<rank {
      let left = back < a.rank ? a[a.rank - 1 - back] : 1
      let right = back < b.rank ? b[b.rank - 1 - back] : 1
      guard left == right || left == 1 || right == 1 else { return nil }
      dimensions[rank - 1 - back] = left == 1 ? right : left
    }
    return Shape(dimensions)
  }
}
