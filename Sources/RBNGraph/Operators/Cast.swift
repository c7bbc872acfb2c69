import RBNTensor

/// The same numbers in another dtype: towards zero for integers, whether different from 0 for `bool`.
///
/// `aten::to.dtype(Tensor self, ScalarType dtype, …)`.
package struct Cast: Operator {
  package var dtype: DType

  package static let name = "aten.to.dtype"
  package var name: String { Self.name }

  package init(to dtype: DType) { self.dtype = dtype }

  package init(_ attributes: Attributes) throws {
    let text = try attributes.string("dtype")
    guard let dtype = DType(rawValue: text), dtype == .float32 || !dtype.isFloatingPoint else {
      throw attributes.invalid("dtype", "is \(text), which networks here don't compute in")
    }
    self.dtype = dtype
  }

  package var attributes: Attributes { Attributes(["dtype": .string(dtype.rawValue)]) }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    [TensorType(try required(inputs, 0, "self").shape, dtype)]
  }
}
