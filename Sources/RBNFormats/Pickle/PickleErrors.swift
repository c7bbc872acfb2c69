import RBNTensor

/// The rules that a pickle must keep to be read.
extension RBNError.Code {
  /// The bytes end before the pickle does.
  package static let truncatedPickle = Self("pickle.truncated")
  /// A pickle that does not begin with a protocol from 2 to 5.
  package static let pickleProtocol = Self("pickle.protocol")
  /// A byte that is no opcode.
  package static let unknownOpcode = Self("pickle.unknown-opcode")
  /// An opcode that no writer of checkpoints emits.
  package static let refusedOpcode = Self("pickle.refused-opcode")
  /// A name from a module whose purpose is to run code or to reach the system.
  package static let unsafeGlobal = Self("pickle.unsafe-global")
  /// A name that is not text, or not a Python name.
  package static let invalidGlobal = Self("pickle.invalid-global")
  /// An opcode that needs more values than the stack holds.
  package static let stackUnderflow = Self("pickle.stack-underflow")
  /// An opcode applied to a value of a kind that it does not fit.
  package static let pickleTypeMismatch = Self("pickle.type-mismatch")
  /// A memo entry that was never stored.
  package static let undefinedMemo = Self("pickle.undefined-memo")
  /// More bytes, values, memo entries or stack than the limits.
  package static let pickleTooLarge = Self("pickle.too-large")
  /// Bytes behind the end of a pickle that should fill its entry.
  package static let trailingPickleBytes = Self("pickle.trailing-bytes")
}
