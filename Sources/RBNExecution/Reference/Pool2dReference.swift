import RBNGraph
import RBNTensor

extension MaxPool2d: ReferenceOperator {
  /// The largest element of each window; a NaN if there is one; padding never wins.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let shape = try inferTypes(inputs.map(type))[0].shape
    return [
      ReferenceTensor(shape: shape) { index in
        var largest = -Double.infinity
        for row in window.positions(index[2], axis: 0, size: x.shape[2]) {
          for column in window.positions(index[3], axis: 1, size: x.shape[3]) {
            let element = x[[index[0], index[1], row, column]]
            if element > largest || element.isNaN { largest = element }
            if largest.isNaN { return largest }
          }
        }
        return largest
      }
    ]
  }
}

extension AvgPool2d: ReferenceOperator {
  /// The sum over the window's part inside the image, over: the override; or the window's size clipped to the padded
  /// image; or, without `count_include_pad`, the number of elements summed.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let shape = try inferTypes(inputs.map(type))[0].shape
    return [
      ReferenceTensor(shape: shape) { index in
        func range(_ position: Int, _ axis: Int) -> (padded: Range<Int>, inside: Range<Int>) {
          let size = x.shape[2 + axis]
          let start = position * window.stride[axis] - window.padding[axis]
          let end = min(start + window.kernel[axis], size + window.padding[axis])
          return (start..<end, max(start, 0)..<max(min(end, size), max(start, 0)))
        }
        let (rows, columns) = (range(index[2], 0), range(index[3], 1))
        var sum = 0.0
        for row in rows.inside {
          for column in columns.inside { sum += x[[index[0], index[1], row, column]] }
        }
        let divisor =
          divisorOverride
          ?? (countIncludePad
            ? rows.padded.count * columns.padded.count : rows.inside.count * columns.inside.count)
        return sum / Double(divisor)
      }
    ]
  }
}

extension AdaptiveAvgPool2d: ReferenceOperator {
  /// The mean over rows ⌊i·H/H'⌋ ..< ⌈(i+1)·H/H'⌉ and the columns alike.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let shape = try inferTypes(inputs.map(type))[0].shape
    func bin(_ position: Int, _ size: Int, _ bins: Int) -> Range<Int> {
      position * size / bins..<((position + 1) * size + bins - 1) / bins
    }
    return [
      ReferenceTensor(shape: shape) { index in
        let rows = bin(index[2], x.shape[2], outputSize[0])
        let columns = bin(index[3], x.shape[3], outputSize[1])
        var sum = 0.0
        for row in rows { for column in columns { sum += x[[index[0], index[1], row, column]] } }
        return sum / Double(rows.count * columns.count)
      }
    ]
  }
}

extension AdaptiveMaxPool2d: ReferenceOperator {
  /// The maximum over rows ⌊i·H/H'⌋ ..< ⌈(i+1)·H/H'⌉ and the columns alike.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = try value(inputs, 0)
    let shape = try inferTypes(inputs.map(type))[0].shape
    func bin(_ position: Int, _ size: Int, _ bins: Int) -> Range<Int> {
      position * size / bins..<((position + 1) * size + bins - 1) / bins
    }
    return [
      ReferenceTensor(shape: shape) { index in
        var window: [Double] = []
        for row in bin(index[2], x.shape[2], outputSize[0]) {
          for column in bin(index[3], x.shape[3], outputSize[1]) {
            window.append(x[[index[0], index[1], row, column]])
          }
        }
        return Reduction.Function.amax.reference(window)
      }
    ]
  }
}

extension PoolWindow {
  /// The positions inside of an image of the given size that a window covers along one axis.
  fileprivate func positions(_ output: Int, axis: Int, size: Int) -> StrideTo<Int> {
    let step = dilation[axis]
    let start = output * stride[axis] - padding[axis]
    let first = start >= 0 ? start : start + (step - 1 - start) / step * step
    return Swift.stride(from: first, to: min(start + kernel[axis] * step, size), by: step)
  }
}
