import RBNGraph
import RBNTensor

/// Where a step finds or leaves a float32 value.
package struct Operand: Sendable {
  package enum Location: Sendable {
    /// A byte offset in the call's arena.
    case arena(Int)
    /// A parameter, its elements in the operand's format.
    case constant(Tensor)
  }

  package var location: Location
  package var shape: Shape
  package var format: MemoryFormat

  package init(location: Location, shape: Shape, format: MemoryFormat) {
    self.location = location
    self.shape = shape
    self.format = format
  }

  /// A float32 parameter as it is in the state dict.
  init(constant tensor: Tensor) {
    self.init(location: .constant(tensor), shape: tensor.shape, format: .contiguous)
  }

  /// A parameter in the format that activations of its shape have.
  func asActivation(_ layout: Layout) throws -> Operand {
    guard case .constant(let tensor) = location, format == .contiguous, MemoryFormat(shape) == .channelsLast,
      !MemoryFormat.coincide(shape)
    else { return self }
    let x = image
    let moved = try Tensor(shape: shape) { bytes in
      tensor.withUnsafeBytes { source in
        guard let from = source.bindMemory(to: Float.self).baseAddress,
          let to = bytes.bindMemory(to: Float.self).baseAddress
        else { return }
        layout.channelsLast(from, to, batch: x.batch, channels: x.channels, pixels: x.height * x.width)
      }
    }
    return Operand(location: .constant(moved), shape: shape, format: .channelsLast)
  }

  package var count: Int { shape.reduce(1) { $0 &* $1 } }
  package var strides: [Int] { format.strides(shape) }

  /// The format that an operator keeps when it works element by element: parameters follow the activations.
  package var layoutFormat: MemoryFormat {
    if case .constant = location { return MemoryFormat(shape) }
    return format
  }

  /// Whether all of its elements lie in memory in the same order as those of `other`.
  package func isCongruent(to other: Operand) -> Bool {
    shape == other.shape && (format == other.format || MemoryFormat.coincide(shape))
  }

  /// The sizes of an image value.
  package var image: (batch: Int, channels: Int, height: Int, width: Int) {
    shape.rank == 4
      ? (shape[0], shape[1], shape[2], shape[3])
      : (shape.first ?? 1, shape.dropFirst().reduce(1) { $0 &* $1 }, 1, 1)
  }
}

/// What a step needs besides its operands.
package struct RunContext {
  package let arena: UnsafeMutableRawPointer
  package let scratch: UnsafeMutableRawPointer
  package let pool: ThreadPool
  /// Σ over H and W of the input that the operator wants summed, (N, C).
  package var inputSums: UnsafePointer<Double>?
  /// Where to leave Σ over H and W of the output, (N, C).
  package var outputSums: UnsafeMutablePointer<Double>?

  /// The first element of an operand. Constants must not be written.
  package func pointer(_ operand: Operand) -> UnsafeMutablePointer<Float> {
    switch operand.location {
    case .arena(let offset): (arena + offset).assumingMemoryBound(to: Float.self)
    case .constant(let tensor):
      // Storage of at least one byte always has an address; the arena stands in to keep the type total.
      ((tensor.storage.bytes.baseAddress ?? arena) + tensor.byteOffset).assumingMemoryBound(to: Float.self)
    }
  }
}
