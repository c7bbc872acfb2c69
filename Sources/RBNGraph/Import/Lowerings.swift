import RBNFormats
import RBNTensor

/// What an ATen call becomes.
enum Lowered {
  /// A new tensor.
  case value(Graph.ValueID)
  /// A new tensor, and further results that are not computed.
  case first(Graph.ValueID, others: String)
  /// Views of the call's first tensor, one a result.
  case views([[ViewStep]])
  case size(SymbolicSize)
}

/// Makes our operators of one ATen call.
typealias Lowering = @Sendable (inout ImportContext, ATenArguments) throws -> Lowered

/// The lowerings by overload. A new ATen operator is a schema in ``ATenSignatures`` and an entry here.
enum Lowerings {
  static let table: [String: Lowering] = elementwise.merging(layers) { $1 }.merging(views) { $1 }

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

// MARK: - Elementwise

extension Lowerings {
  /// Functions that have an in-place twin.
  static let elementwise: [String: Lowering] = {
    var table: [String: Lowering] = [
      "relu6.default": unary { _ in .clamp(min: 0, max: 6) },
      "hardtanh.default": unary { .clamp(min: try $0.double("min_val"), max: try $0.double("max_val")) },
      "clamp.default": unary { .clamp(min: try $0.optionalDouble("min"), max: try $0.optionalDouble("max")) },
      "clamp_min.default": unary { .clamp(min: try $0.double("min"), max: nil) },
      "clamp_max.default": unary { .clamp(min: nil, max: try $0.double("max")) },
      "square.default": unary { _ in .pow(exponent: 2) },
      "pow.Tensor_Scalar": unary { .pow(exponent: try $0.double("exponent")) },
      "gelu.default": unary {
        switch try $0.string("approximate") {
        case "none": .gelu
        case "tanh": .geluTanh
        case let other: throw unsupported("approximates GELU by \(other)")
        }
      },
      "rsub.Tensor": { context, arguments in
        try binary(.sub, "other", "self", &context, arguments)
      },
      "rsub.Scalar": { context, arguments in
        try binary(.sub, "other", "self", &context, arguments)
      },
    ]
    let plain: [(String, Unary.Function)] = [
      ("relu", .relu), ("sigmoid", .sigmoid), ("hardsigmoid", .hardsigmoid), ("hardswish", .hardswish),
      ("silu", .silu), ("tanh", .tanh), ("abs", .abs), ("exp", .exp), ("sqrt", .sqrt), ("rsqrt", .rsqrt),
      ("reciprocal", .reciprocal), ("neg", .neg),
    ]
    for (name, function) in plain { table["\(name).default"] = unary { _ in function } }
    for function in Binary.Function.allCases {
      for overload in ["Tensor", "Scalar"] {
        table["\(function).\(overload)"] = { try binary(function, "self", "other", &$0, $1) }
      }
    }
    return table
  }()

  private static func unary(
    _ function: @escaping @Sendable (ATenArguments) throws -> Unary.Function
  ) -> Lowering {
    { context, arguments in
      .value(try context.emit(Unary(try function(arguments)), [try arguments.tensor("self")]))
    }
  }

  /// `left ∘ alpha · right`, where a number may stand for one of the tensors.
  private static func binary(
    _ function: Binary.Function, _ left: String, _ right: String, _ context: inout ImportContext,
    _ arguments: ATenArguments
  ) throws -> Lowered {
    let hasAlpha = function == .add || function == .sub
    let alpha = hasAlpha ? try arguments.double("alpha") : 1
    switch (try arguments.value(left), try arguments.value(right)) {
    case (.tensor(let a), .tensor(let b)):
      return .value(try context.emit(Binary(function, alpha: alpha), [a, b]))
    case (.tensor(let a), _):
      let number = try arguments.double(right)
      return .value(try context.emit(Binary(function, scalar: number, alpha: alpha), [a]))
    case (_, .tensor(let b)):
      let number = try arguments.double(left)
      return .value(
        try context.emit(Binary(function, scalar: number, scalarIsFirst: true, alpha: alpha), [b]))
    default: throw unsupported("computes with numbers only")
    }
  }
}
