// The functions that libFuzzer calls. Built only when RBN_FUZZ is set; see tools/fuzz.sh.
import CLibFuzzer
import Foundation
import RBNFuzzing

/// The target that the environment names.
private let target: FuzzTarget = {
  let name = ProcessInfo.processInfo.environment["RBN_FUZZ_TARGET"] ?? ""
  guard let target = FuzzTarget.all.first(where: { $0.name == name }) else {
    print("RBN_FUZZ_TARGET must be one of: \(FuzzTarget.all.map(\.name).joined(separator: " "))")
    exit(2)
  }
  return target
}()

/// Feeds an input to the target; 0 keeps it where it reached something new.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  // Refused inputs stay in the corpus: what is new about them is how far they got.
  target.run(Array(UnsafeBufferPointer(start: data, count: size)))
  return 0
}

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
