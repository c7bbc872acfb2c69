import RBNGraph
import RBNTensor

extension Reshape: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    [ReferenceTensor(shape: try inferTypes(inputs.map(type))[0].shape, values: try value(inputs, 0).values)]
  }
}

extension Flatten: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    [ReferenceTensor(shape: try inferTypes(inputs.map(type))[0].shape, values: try value(inputs, 0).values)]
  }
}

extension Identity: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] { [try value(inputs, 0)] }
}

extension Permute: ReferenceOperator {
  /// Dimension i of the output is dimension dims[i] of the input.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let order = try order(rank: x.shape.rank)
    let shape = Shape(order.map { x.shape[$0] })
    return [
      ReferenceTensor(shape: shape) { index in
        var source = index
        for (position, axis) in order.enumerated() { source[axis] = index[position] }
        return x[source]
      }
    ]
  }
}

extension Expand: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    return [ReferenceTensor(shape: try inferTypes(inputs.map(type))[0].shape) { x.broadcast($0) }]
  }
}

extension Slice: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let axis = try axis(dim, rank: x.shape.rank)
    let first = range(size: x.shape[axis]).start
    return [
      ReferenceTensor(shape: try inferTypes(inputs.map(type))[0].shape) { index in
        var source = index
        source[axis] = first + index[axis] * step
        return x[source]
      }
    ]
  }
}

extension Concat: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let tensors = try inputs.indices.map { try value(inputs, $0) }
    let shape = try inferTypes(inputs.map(type))[0].shape
    let axis = try axis(dim, rank: shape.rank)
    return [
      ReferenceTensor(shape: shape) { index in
        var source = index
        for tensor in tensors {
          if source[axis] < tensor.shape[axis] { return tensor[source] }
          source[axis] -= tensor.shape[axis]
        }
        return .nan
      }
    ]
  }
}

extension Pad: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    return [
      ReferenceTensor(shape: try inferTypes(inputs.map(type))[0].shape) { index in
        let source = index.indices.map { index[$0] - amounts(axis: $0, rank: x.shape.rank).before }
        let isInside = source.indices.allSatisfy { (0..<x.shape[$0]).contains(source[$0]) }
        return isInside ? x[source] : self.value
      }
    ]
  }
}
