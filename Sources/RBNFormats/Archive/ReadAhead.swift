import Dispatch
import RBNTensor

/// Reads blocks of a file on several threads at once: the copy out of the system's cache, the checks of what was read and
/// the first touch of fresh memory take longer than all else that loading does.
///
/// - Parameters:
///   - keys: what to read; repeated ones are read once.
///   - read: reads and checks one block.
/// - Returns: the blocks that could be read. Those that could not be are left out, for the caller to meet in its own
///   order, where it knows what needs them.
func readAhead<Key: Hashable & Sendable>(
  _ keys: [Key], _ read: @Sendable (Key) throws -> TensorStorage
) -> [Key: TensorStorage] {
  var seen = Set<Key>()
  let keys = keys.filter { seen.insert($0).inserted }
  var blocks = [TensorStorage?](repeating: nil, count: keys.count)
  blocks.withUnsafeMutableBufferPointer { blocks in
    // Each index is written by one thread.
    nonisolated(unsafe) let blocks = blocks
    DispatchQueue.concurrentPerform(iterations: keys.count) { index in
      blocks[index] = try? read(keys[index])
    }
  }
  var found = [Key: TensorStorage](minimumCapacity: keys.count)
  for (key, block) in zip(keys, blocks) { if let block { found[key] = block } }
  return found
}
