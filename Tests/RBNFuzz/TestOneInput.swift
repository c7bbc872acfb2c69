// What libFuzzer calls with each input. Built only when RBN_FUZZ is set; see tools/fuzz.sh.
import Foundation
import RBNFuzzing

/// The target that the environment names.
let target: FuzzTarget = {
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
