import RBNTensor

extension DType {
  /// The dtype of an elementwise result: floating point before integers before `bool`, then the wider one.
  ///
  /// `torch.promote_types` for the dtypes that occur; floating-point values are float32 here whatever they are stored in.
  package func promoted(with other: DType) -> DType {
    if isFloatingPoint || other.isFloatingPoint { return .float32 }
    if self == .bool { return other }
    if other == .bool { return self }
    return byteSize >= other.byteSize ? self : other
  }

  /// The same, where a Python number is one of the operands: it changes the kind but not the width.
  package func promoted(withNumber isInteger: Bool) -> DType {
    if isFloatingPoint || !isInteger { return .float32 }
    return self == .bool ? .int64 : self
  }

  /// What arithmetic that is not defined on integers gives.
  package var floatingPoint: DType { isFloatingPoint ? self : .float32 }
}

/// Integers and booleans are computed in float32 too, exactly as long as they stay below this: 2^24.
package enum ExactIntegers {
  package static let limit = 1 << 24
}
