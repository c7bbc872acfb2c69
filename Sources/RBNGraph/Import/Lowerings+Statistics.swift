import RBNFormats
import RBNTensor

// MARK: - Reductions, sorting, softmax

extension Lowerings {
  static let statistics: [String: Lowering] = [
    "mean.dim": { try reduction(.mean, &$0, $1) },
    "mean.default": { try reduction(.mean, &$0, $1) },
    "sum.dim_IntList": { try reduction(.sum, &$0, $1) },
    "sum.default": { try reduction(.sum, &$0, $1) },
    "prod.dim_int": { try reduction(.prod, &$0, $1) },
    "prod.default": { try reduction(.prod, &$0, $1) },
    "amax.default": { try reduction(.amax, &$0, $1) },
    "amin.default": { try reduction(.amin, &$0, $1) },
    "max.default": { try reduction(.amax, &$0, $1) },
    "min.default": { try reduction(.amin, &$0, $1) },
    "any.default": { try reduction(.amax, &$0, $1, truth: true) },
    "all.default": { try reduction(.amin, &$0, $1, truth: true) },
    "any.dim": { try reduction(.amax, &$0, $1, truth: true) },
    "all.dim": { try reduction(.amin, &$0, $1, truth: true) },
    "logsumexp.default": { try reduction(.logsumexp, &$0, $1) },
    "max.dim": { try extreme(.amax, .argmax, &$0, $1) },
    "min.dim": { try extreme(.amin, .argmin, &$0, $1) },
    "argmax.default": { try argument(.argmax, &$0, $1) },
    "argmin.default": { try argument(.argmin, &$0, $1) },
    "var.correction": { .value(try variance(&$0, $1)) }, "var.dim": { .value(try variance(&$0, $1)) },
    "var.default": { .value(try variance(&$0, $1)) },
    "std.correction": deviation, "std.dim": deviation, "std.default": deviation,
    "var_mean.correction": { context, arguments in
      let x = try arguments.tensor("self")
      let mean = Reduction(
        .mean, dims: try dims(arguments), keepdim: try arguments.bool("keepdim"))
      return .values([try variance(&context, arguments), try context.emit(mean, [x])])
    },
    "linalg_vector_norm.default": { try norm(&$0, $1, order: try $1.double("ord")) },
    "norm.ScalarOpt_dim": { try norm(&$0, $1, order: try $1.optionalDouble("p") ?? 2) },
    "norm.Scalar": { try norm(&$0, $1, order: try $1.double("p")) },
    "topk.default": { context, arguments in
      try ordered(
        &context, arguments, k: try arguments.int("k"), largest: try arguments.bool("largest"))
    },
    "sort.default": { context, arguments in
      let shape = try context.shape(of: try arguments.tensor("self"))
      let axis = try wrap(try arguments.int("dim"), rank: max(shape.rank, 1))
      return try ordered(
        &context, arguments, k: shape.rank > 0 ? shape[axis] : 1,
        largest: try arguments.bool("descending"))
    },
    "cumsum.default": { context, arguments in
      try arguments.requireFloat32("dtype")
      let op = try Cumsum(Attributes(["dim": .int(try arguments.int("dim"))]))
      return .value(try context.emit(op, [try arguments.tensor("self")]))
    },
    "softmax.int": { try softmax(&$0, $1) { try Softmax($0) } },
    "_softmax.default": { try softmax(&$0, $1) { try Softmax($0) } },
    "_safe_softmax.default": {
      try softmax(&$0, $1) {
        var op = try Softmax($0)
        op.isSafe = true
        return op
      }
    },
    "log_softmax.int": { try softmax(&$0, $1) { try LogSoftmax($0) } },
    "_log_softmax.default": { try softmax(&$0, $1) { try LogSoftmax($0) } },
  ]

  /// The dimensions of a reduction; empty for all.
  private static func dims(_ arguments: ATenArguments) throws -> [Int] {
    guard arguments.has("dim"), try !arguments.isNone("dim") else { return [] }
    let dims = try arguments.ints("dim")
    guard dims.allSatisfy({ AttributeRange.axis.contains($0) }) else {
      throw unsupported("reduces the dimensions \(dims.prefix(8))")
    }
    return dims
  }

  private static func keepdim(_ arguments: ATenArguments) throws -> Bool {
    arguments.has("keepdim") ? try arguments.bool("keepdim") : false
  }

  private static func reduction(
    _ function: Reduction.Function, _ context: inout ImportContext, _ arguments: ATenArguments,
    truth: Bool = false
  ) throws -> Lowered {
    if arguments.has("dtype") { try arguments.requireFloat32("dtype") }
    var x = try arguments.tensor("self")
    if truth, context.type(of: x)?.dtype != .bool { x = try context.emit(Cast(to: .bool), [x]) }
    let op = Reduction(function, dims: try dims(arguments), keepdim: try keepdim(arguments))
    return .value(try context.emit(op, [x]))
  }

  private static func extreme(
    _ function: Reduction.Function, _ position: ArgReduction.Function, _ context: inout ImportContext,
    _ arguments: ATenArguments
  ) throws -> Lowered {
    let x = try arguments.tensor("self")
    let (dim, keepdim) = (try arguments.int("dim"), try arguments.bool("keepdim"))
    let values = try context.emit(Reduction(function, dims: [dim], keepdim: keepdim), [x])
    return .values([values, try context.emit(ArgReduction(position, dim: dim, keepdim: keepdim), [x])])
  }

  private static func argument(
    _ function: ArgReduction.Function, _ context: inout ImportContext, _ arguments: ATenArguments
  ) throws -> Lowered {
    let op = ArgReduction(
      function, dim: try arguments.optionalInt("dim"), keepdim: try arguments.bool("keepdim"))
    return .value(try context.emit(op, [try arguments.tensor("self")]))
  }

  private static func variance(_ context: inout ImportContext, _ arguments: ATenArguments) throws
    -> Graph.ValueID
  {
    let correction =
      arguments.has("unbiased")
      ? (try arguments.bool("unbiased") ? 1 : 0) : try arguments.optionalDouble("correction") ?? 1
    let op = Reduction(
      .variance(correction: correction), dims: try dims(arguments), keepdim: try keepdim(arguments))
    return try context.emit(op, [try arguments.tensor("self")])
  }

  private static let deviation: Lowering = { context, arguments in
    .value(try context.emit(Unary(.sqrt), [try variance(&context, arguments)]))
  }

  /// The norms of orders 1, 2 and infinity.
  private static func norm(
    _ context: inout ImportContext, _ arguments: ATenArguments, order: Double
  ) throws -> Lowered {
    if arguments.has("dtype") { try arguments.requireFloat32("dtype") }
    let x = try arguments.tensor("self")
    let (dims, keepdim) = (try dims(arguments), try keepdim(arguments))
    func reduce(_ function: Reduction.Function, _ value: Graph.ValueID) throws -> Graph.ValueID {
      try context.emit(Reduction(function, dims: dims, keepdim: keepdim), [value])
    }
    switch order {
    case 1: return .value(try reduce(.sum, try context.emit(Unary(.abs), [x])))
    case 2:
      let squares = try reduce(.sum, try context.emit(Unary(.pow(exponent: 2)), [x]))
      return .value(try context.emit(Unary(.sqrt), [squares]))
    case .infinity: return .value(try reduce(.amax, try context.emit(Unary(.abs), [x])))
    case -.infinity: return .value(try reduce(.amin, try context.emit(Unary(.abs), [x])))
    default: throw unsupported("is a norm of the order \(order)")
    }
  }

  private static func ordered(
    _ context: inout ImportContext, _ arguments: ATenArguments, k: Int, largest: Bool
  ) throws -> Lowered {
    let x = try arguments.tensor("self")
    let dim = try arguments.int("dim")
    return .values(
      try [false, true].map {
        try context.emit(TopK(k: k, dim: dim, largest: largest, givesIndices: $0), [x])
      })
  }

  private static func softmax(
    _ context: inout ImportContext, _ arguments: ATenArguments,
    _ make: (Attributes) throws -> any Operator
  ) throws -> Lowered {
    if arguments.has("dtype") { try arguments.requireFloat32("dtype") }
    if arguments.has("half_to_float"), try arguments.bool("half_to_float") {
      throw unsupported("computes in half precision")
    }
    let op = try make(Attributes(["dim": .int(try arguments.int("dim"))]))
    return .value(try context.emit(op, [try arguments.tensor("self")]))
  }
}
