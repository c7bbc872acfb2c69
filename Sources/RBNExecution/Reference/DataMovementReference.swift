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
        let source = index.indices.map { axis in
          self.source(
            index[axis] - amounts(axis: axis, rank: x.shape.rank).before, size: x.shape[axis])
        }
        return source.contains(nil) ? self.value : x[source.compactMap { $0 }]
      }
    ]
  }
}

extension Roll: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let offsets = try offsets(x.shape)
    return [
      ReferenceTensor(shape: x.shape) { index in
        x[index.indices.map { (index[$0] - offsets[$0] + x.shape[$0]) % x.shape[$0] }]
      }
    ]
  }
}

extension Flip: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let axes = try axes(rank: x.shape.rank)
    return [
      ReferenceTensor(shape: x.shape) { index in
        x[index.indices.map { axes.contains($0) ? x.shape[$0] - 1 - index[$0] : index[$0] }]
      }
    ]
  }
}

extension IndexSelect: ReferenceOperator {
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let (x, selected) = (try value(inputs, 0), try value(inputs, 1))
    let axis = try axis(dim, rank: x.shape.rank)
    let positions = try selected.values.map { try position($0, size: x.shape[axis]) }
    let shape = Shape(
      x.shape.dimensions[..<axis] + selected.shape.dimensions + x.shape.dimensions[(axis + 1)...])
    return [
      ReferenceTensor(shape: shape) { index in
        let inner = Array(index[axis..<(axis + selected.shape.rank)])
        let source =
          index[..<axis] + [positions[selected.offset(inner)]] + index[(axis + selected.shape.rank)...]
        return x[Array(source)]
      }
    ]
  }
}
