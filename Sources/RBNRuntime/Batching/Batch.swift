import RBNExecution
import RBNGraph

/// The joining of requests' tensors along their first dimension, and the splitting of results.
enum Batch {
  /// The inputs of several requests as those of one; each request's tensors have the same dtypes and row shapes.
  ///
  /// - Throws: `tensor.invalid-shape`, `system.out-of-memory`.
  static func joined(_ requests: [[Tensor]]) throws -> [Tensor] {
    guard requests.count > 1, let first = requests.first else { return requests.first ?? [] }
    return try first.indices.map { index in
      let parts = requests.map { $0[index] }
      let rows = parts.reduce(0) { $0 + ($1.shape.first ?? 1) }
      let shape = Shape([rows] + parts[0].shape.dropFirst())
      return try Tensor(shape: shape, dtype: parts[0].dtype) { bytes in
        var offset = 0
        for part in parts {
          part.withUnsafeBytes { source in
            UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<(offset + source.count)])
              .copyMemory(from: source)
          }
          offset += part.byteCount
        }
      }
    }
  }

  /// The results of each of the requests, which had so many rows.
  ///
  /// - Throws: `tensor.size-mismatch` when an output has another number of rows than the requests together.
  static func split(_ outputs: [Tensor], rows: [Int]) throws -> [[Tensor]] {
    guard rows.count > 1 else { return [outputs] }
    let total = rows.reduce(0, +)
    var start = 0
    return try rows.map { count in
      defer { start += count }
      return try outputs.map { try $0.rows(start..<(start + count), of: total) }
    }
  }
}

extension Tensor {
  /// Some of the rows of the first dimension, which has `total` of them. The elements are shared.
  fileprivate func rows(_ range: Range<Int>, of total: Int) throws -> Tensor {
    guard shape.first == total, total > 0 else {
      throw RBNError(
        .sizeMismatch, .model, "an output has the shape \(shape) where its first dimension must be \(total)")
    }
    let rowSize = byteCount / total
    return try Tensor(
      shape: Shape([range.count] + shape.dropFirst()), dtype: dtype, storage: storage,
      byteOffset: byteOffset + range.lowerBound * rowSize)
  }
}

/// The question whether requests may run together, asked of the network itself.
enum BatchProbe {
  /// Why requests must run one by one; nil when a row gets the same bits in a batch of `rows` as alone.
  ///
  /// Runs the network on a batch of pseudo-random rows, and on the first and the last of them alone.
  static func soloReason(_ model: Model, rows: Int) -> String? {
    guard rows > 1 else { return "the largest batch is one row" }
    if let input = model.inputs.first(where: { $0.shape.isEmpty || $0.shape[0] != nil }) {
      return "the batch size of \(input.summary) is fixed"
    }
    let graph = model.executor.sourceGraph
    do {
      let inputs = try graph.inputs.enumerated().map { index, input in
        try noise(Shape([rows] + input.exampleShape.dropFirst()), input.dtype, seed: UInt64(index))
      }
      let together = try model.executor.run(inputs)
      for row in [0, rows - 1] {
        let range = row..<(row + 1)
        let alone = try model.executor.run(inputs.map { try $0.rows(range, of: rows) })
        let ridden = try together.map { try $0.rows(range, of: rows) }
        guard zip(alone, ridden).allSatisfy({ $0.hasSameBits(as: $1) }) else {
          return "an image's result depends on what else is in the batch"
        }
      }
      return nil
    } catch {
      return "\(error)"
    }
  }

  /// Values between -1 and 1, the same for every call; 0 and 1 for integers, which may be indices.
  private static func noise(_ shape: Shape, _ dtype: DType, seed: UInt64) throws -> Tensor {
    var generator = SeededGenerator(seed: seed)
    let values = (0..<(try shape.elementCount())).map { _ -> Float in
      dtype.isFloatingPoint
        ? .random(in: -1...1, using: &generator) : Bool.random(using: &generator) ? 1 : 0
    }
    return try Tensor(shape: shape, scalars: values).converted(to: dtype)
  }
}

extension Tensor {
  fileprivate func hasSameBits(as other: Tensor) -> Bool {
    guard shape == other.shape, dtype == other.dtype else { return false }
    return withUnsafeBytes { left in other.withUnsafeBytes { left.elementsEqual($0) } }
  }
}
