import RBNTensor

/// Repeats dimensions of size 1.
///
/// `aten::expand(Tensor self, SymInt[] size, *, bool implicit=False)`; `expand_as` is imported as this one. Inputs: self, then the
/// tensors that the size expressions mention. −1 keeps a size.
package struct Expand: Operator {
  package var sizes: [SizeExpression]

  package static let name = "aten.expand.default"
  package var name: String { Self.name }

  package init(sizes: [SizeExpression]) { self.sizes = sizes }
  package init(_ attributes: Attributes) throws { sizes = try attributes.sizes("size") }
  package var attributes: Attributes { Attributes(["size": .list(sizes.map(\.attribute))]) }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try required(inputs, 0, "self")
    var dimensions = try sizes.map { try $0.evaluate(inputs) }
    let added = dimensions.count - x.shape.rank
    guard added >= 0 else { throw shapeMismatch("can't expand \(x.shape) to \(Shape(dimensions))") }
    for (axis, size) in x.shape.enumerated() {
      if dimensions[added + axis] == -1 { dimensions[added + axis] = size }
      guard size == 1 || dimensions[added + axis] == size else {
        throw shapeMismatch("can't expand \(x.shape) to \(Shape(dimensions))")
      }
    }
    guard dimensions.allSatisfy({ $0 >= 0 }) else {
      throw shapeMismatch("can't expand to \(Shape(dimensions))")
    }
    return [TensorType(Shape(dimensions), x.dtype)]
  }
}
