import RBNTensor

/// The same elements in row-major order under another shape.
///
/// `aten::reshape(Tensor self, SymInt[] shape)`; `view`, `unflatten`, `squeeze` and `unsqueeze` are this one too. Inputs: self, then
/// the tensors that the size expressions mention. One size may be −1.
package struct Reshape: Operator {
  package var sizes: [SizeExpression]

  package static let name = "aten.reshape.default"
  package var name: String { Self.name }

  package init(sizes: [SizeExpression]) { self.sizes = sizes }
  package init(_ attributes: Attributes) throws { sizes = try attributes.sizes("shape") }
  package var attributes: Attributes { Attributes(["shape": .list(sizes.map(\.attribute))]) }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "self")
    var dimensions = try sizes.map { try $0.evaluate(inputs) }
    let count = try x.shape.elementCount()
    let free = dimensions.indices.filter { dimensions[$0] == -1 }
    guard free.count <= 1 else { throw shapeMismatch("has more than one size of -1") }
    if let free = free.first {
      let known = try Shape(dimensions.enumerated().map { $0.offset == free ? 1 : $0.element }).elementCount()
      guard known > 0, count % known == 0 else { throw mismatch(x.shape, dimensions) }
      dimensions[free] = count / known
    }
    guard try Shape(dimensions).elementCount() == count else { throw mismatch(x.shape, dimensions) }
    return [TensorType(Shape(dimensions), x.dtype)]
  }

  private func mismatch(_ shape: Shape, _ dimensions: [Int]) -> RBNError {
    shapeMismatch("a tensor of shape \(shape) can't be reshaped to \(Shape(dimensions))")
  }
}
