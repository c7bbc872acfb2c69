import RBNGraph
import RBNTensor

/// Places buffers of known size and lifetime in one arena.
///
/// Greedy by size (Pisarchyk and Lee, *Efficient Memory Management for Deep Neural Net Inference*, 2020): the largest buffer
/// first, each at the lowest offset where it overlaps no buffer that lives at the same time.
package struct MemoryPlan: Sendable {
  package struct Buffer: Sendable {
    package var byteCount: Int
    /// The first and the last step that need it.
    package var lifetime: ClosedRange<Int>
  }

  /// The byte offset of each buffer, in the order given; multiples of ``TensorStorage/alignment``.
  package private(set) var offsets: [Int]
  /// The size of the arena, in bytes.
  package private(set) var byteCount = 0

  /// No plan may be larger: what is computed from sizes below it, such as scratch memory, does not overflow.
  private static let largest = 1 << 44

  /// Refuses values that no plan has room for, before anything is computed from their sizes.
  ///
  /// - Throws: `execution.memory-limit`.
  static func check(_ graph: Graph, _ types: [TensorType?], limit: Int) throws {
    for value in graph.inputs.map(\.value) + graph.nodes.flatMap(\.outputs) {
      guard let type = types[value.index] else { continue }
      guard try type.shape.byteCount(of: .float32) <= min(limit, largest) else {
        throw tooLarge(min(limit, largest))
      }
    }
  }

  private static func tooLarge(_ limit: Int) -> RBNError {
    RBNError(
      .memoryLimit, .input, "the activations need more than the limit of \(limit) bytes",
      advice: "use smaller images, a smaller batch, or raise the memory limit")
  }

  /// - Throws: `execution.memory-limit` when the arena would exceed `limit` bytes.
  package init(_ buffers: [Buffer], limit: Int) throws {
    offsets = [Int](repeating: 0, count: buffers.count)
    let tooLarge = Self.tooLarge(limit)
    var placed: [(start: Int, end: Int, lifetime: ClosedRange<Int>)] = []
    let order = buffers.indices.sorted {
      buffers[$0].byteCount != buffers[$1].byteCount ? buffers[$0].byteCount > buffers[$1].byteCount : $0 < $1
    }
    for index in order {
      let buffer = buffers[index]
      guard buffer.byteCount <= limit else { throw tooLarge }
      let size =
        (max(buffer.byteCount, 1) + TensorStorage.alignment - 1) / TensorStorage.alignment
        * TensorStorage.alignment
      var offset = 0
      // `placed` is sorted by start: the first gap that is wide enough among those alive together.
      for other in placed where other.lifetime.overlaps(buffer.lifetime) {
        if offset + size <= other.start { break }
        offset = max(offset, other.end)
      }
      guard offset <= limit, size <= limit - offset else { throw tooLarge }
      offsets[index] = offset
      byteCount = max(byteCount, offset + size)
      let position = placed.firstIndex { $0.start > offset } ?? placed.count
      placed.insert((offset, offset + size, buffer.lifetime), at: position)
    }
  }
}

extension RBNError.Code {
  /// A plan that needs more memory than the caller allows.
  package static let memoryLimit = Self("execution.memory-limit")
}
