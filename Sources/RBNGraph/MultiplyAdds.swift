import RBNTensor

extension Graph {
  /// The multiplications and additions, in pairs, of a convolution or fully connected layer by the direct method; 0 for
  /// every other operation. `Int.max` stands for more.
  ///
  /// - Parameter output: the shape of the node's output.
  package func multiplyAdds(_ node: Node, output: Shape) -> Int {
    // Output elements times the length of the sum that each of them is.
    guard node.op is Conv2d || node.op is Linear, node.inputs.count > 1,
      let weight = node.inputs[1].flatMap(parameterType(of:))
    else { return 0 }
    var product = 1
    for size in weight.shape.dimensions.dropFirst() + output.dimensions {
      let (next, overflow) = product.multipliedReportingOverflow(by: size)
      guard !overflow else { return .max }
      product = next
    }
    return product
  }
}
