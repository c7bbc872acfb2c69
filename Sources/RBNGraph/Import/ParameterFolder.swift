import RBNTensor

/// Rearranges parameters at import, so that weights stay tensors that kernels and passes recognise.
struct ParameterFolder {
  private struct Key: Hashable {
    var parameter: String
    var operation: String
    var attributes: Attributes
  }

  private var known: [Key: Graph.ValueID] = [:]
  /// Parameters that are transposes of rank-2 parameters.
  private(set) var transposed: [Graph.ValueID: Graph.ValueID] = [:]
  /// The keys in the state dict of rearranged parameters.
  private(set) var originals: [String: String] = [:]
  private var copiedBytes = 0

  /// Bytes that copies of parameters may take; beyond it operations stay in the graph.
  private static let copyLimit = 1 << 30

  /// The parameter that an operation on a parameter gives; `nil` when it is not a rearrangement of one.
  mutating func fold(_ op: any Operator, _ inputs: [Graph.ValueID?], in graph: inout Graph) throws
    -> Graph.ValueID?
  {
    guard inputs.count == 1, let input = inputs[0], case .parameter(let key) = graph[input].origin,
      let tensor = graph.parameters[key], tensor.dtype == .float32
    else { return nil }
    if op is Identity { return input }
    guard op is Reshape || op is Flatten || op is Permute else { return nil }
    let cacheKey = Key(parameter: key, operation: op.name, attributes: op.attributes)
    if let value = known[cacheKey] { return value }
    let shape = try op.inferTypes([TensorType(tensor.shape)])[0].shape
    var result = tensor
    var suffix = "reshaped"
    if let permute = op as? Permute {
      guard tensor.byteCount <= Self.copyLimit - copiedBytes else { return nil }
      copiedBytes += tensor.byteCount
      result = try tensor.permuted(try permute.order(rank: tensor.shape.rank))
      suffix = "permuted"
    } else {
      if shape == tensor.shape { return input }
      result = try tensor.reshaped(to: shape)
    }
    let value = graph.addParameter(result, suggestedKey: "\(key).\(suffix)")
    if case .parameter(let newKey) = graph[value].origin { originals[newKey] = originals[key] ?? key }
    if let permute = op as? Permute, tensor.shape.rank == 2, try permute.order(rank: 2) == [1, 0] {
      transposed[value] = input
    }
    known[cacheKey] = value
    return value
  }
}

extension Tensor {
  /// The elements with dimension i of the result being dimension `order[i]` of this tensor; float32 only.
  ///
  /// - Complexity: O(count).
  func permuted(_ order: [Int]) throws -> Tensor {
    let strides = shape.contiguousStrides
    let newShape = Shape(order.map { shape[$0] })
    let steps = order.map { strides[$0] }
    let source = floats
    return try Tensor(shape: newShape) { bytes in
      let target = bytes.bindMemory(to: Float.self)
      var index = [Int](repeating: 0, count: order.count)
      var position = 0
      for written in 0..<source.count {
        target[written] = source[position]
        var axis = order.count - 1
        while axis >= 0 {
          index[axis] += 1
          position &+= steps[axis]
          if index[axis] < newShape[axis] { break }
          position &-= steps[axis] &* newShape[axis]
          index[axis] = 0
          axis -= 1
        }
      }
    }
  }
}
