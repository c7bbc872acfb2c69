import RBNFormats
import RBNTensor

/// What an ATen call becomes.
enum Lowered {
  /// A new tensor.
  case value(Graph.ValueID)
  /// A new tensor, and further results that are not computed.
  case first(Graph.ValueID, others: String)
  /// New tensors, one a result.
  case values([Graph.ValueID])
  /// Views of the call's first tensor, one a result.
  case views([[ViewStep]])
  case size(SymbolicSize)
}

/// Makes our operators of one ATen call.
typealias Lowering = @Sendable (inout ImportContext, ATenArguments) throws -> Lowered

/// The lowerings by overload. A new ATen operator is a schema in ``ATenSignatures`` and an entry here.
enum Lowerings {
  static let table: [String: Lowering] = [
    elementwise, layers, views, matrices, normalisations, statistics, resampling, rearrangements, creations,
  ].reduce(into: [:]) { $0.merge($1) { $1 } }

  private static let prefix = "torch.ops.aten."

  /// The schema and the lowering for a target, and whether it writes its result to its first tensor; `nil` for operators
  /// that there is no lowering for.
  static func find(_ target: String) -> (signature: ATenSignature, lowering: Lowering, isInPlace: Bool)? {
    guard target.hasPrefix(prefix) else { return nil }
    let overload = String(target.dropFirst(prefix.count))
    if let signature = ATenSignatures.table[overload], let lowering = table[overload] {
      return (signature, lowering, false)
    }
    // `add_.Tensor` is `add.Tensor` whose result is written to its first argument.
    let parts = overload.split(separator: ".", maxSplits: 1)
    guard parts.count == 2, parts[0].last == "_", !parts[0].hasSuffix("__") else { return nil }
    let functional = "\(parts[0].dropLast()).\(parts[1])"
    guard let lowering = elementwise[functional], let signature = ATenSignatures.table[functional] else {
      return nil
    }
    return (signature, lowering, true)
  }

  static func unsupported(_ message: String, advice: String? = nil) -> RBNError {
    RBNError(.importUnsupportedArguments, .model, message, advice: advice)
  }
}
