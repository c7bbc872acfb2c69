import CLibFuzzer
import RBNFuzzing

/// Changes an input in place and returns its new size, at most `limit`.
@_cdecl("LLVMFuzzerCustomMutator")
public func customMutator(
  _ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ limit: Int, _ seed: CUnsignedInt
) -> Int {
  var random = SplitMix64(seed: UInt64(seed))
  let bytes = Array(UnsafeBufferPointer(start: data, count: size))
  let changed = target.mutate(bytes, limit: limit, random: &random) { bytes, limit in
    let capacity = max(bytes.count, limit, 1)
    return [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
      _ = buffer.update(from: bytes)
      count = LLVMFuzzerMutate(buffer.baseAddress, bytes.count, capacity)
    }
  }
  let count = min(changed.count, limit)
  changed.withUnsafeBufferPointer { if let base = $0.baseAddress { data.update(from: base, count: count) } }
  return count
}
