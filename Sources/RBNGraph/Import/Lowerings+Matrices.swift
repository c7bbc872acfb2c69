import RBNFormats
import RBNTensor

// MARK: - Products of matrices

extension Lowerings {
  static let matrices: [String: Lowering] = [
    "linear.default": { context, arguments in
      let (x, weight) = (try arguments.tensor("input"), try arguments.tensor("weight"))
      return .value(try linear(&context, x, weight, try arguments.optionalTensor("bias")))
    },
    "mm.default": { context, arguments in
      .value(try product(&context, try arguments.tensor("self"), try arguments.tensor("mat2")))
    },
    "matmul.default": { context, arguments in
      .value(try product(&context, try arguments.tensor("self"), try arguments.tensor("other")))
    },
    "bmm.default": { context, arguments in
      .value(try context.emit(MatMul(), [try arguments.tensor("self"), try arguments.tensor("mat2")]))
    },
    "addmm.default": { context, arguments in
      let (x, matrix) = (try arguments.tensor("mat1"), try arguments.tensor("mat2"))
      let bias = try arguments.tensor("self")
      let isPlain = try arguments.double("alpha") == 1 && arguments.double("beta") == 1
      if isPlain, context.isConstant(matrix),
        try context.shape(of: bias).dimensions == [try context.shape(of: matrix)[1]], context.isConstant(bias)
      {
        return .value(try linear(&context, x, try linearWeight(&context, matrix), bias))
      }
      return .value(try scaledSum(&context, arguments, try product(&context, x, matrix)))
    },
    "baddbmm.default": { context, arguments in
      let inputs = [try arguments.tensor("batch1"), try arguments.tensor("batch2")]
      return .value(try scaledSum(&context, arguments, try context.emit(MatMul(), inputs)))
    },
    "scaled_dot_product_attention.default": { context, arguments in
      guard try !arguments.bool("enable_gqa") else { throw unsupported("groups the heads of its queries") }
      return .value(try attention(&context, arguments))
    },
    "_scaled_dot_product_flash_attention_for_cpu.default": { context, arguments in
      .first(
        try attention(&context, arguments), others: "the logarithms that an attention saves for its gradient")
    },
  ]

  /// beta · self + alpha · product.
  private static func scaledSum(
    _ context: inout ImportContext, _ arguments: ATenArguments, _ product: Graph.ValueID
  ) throws -> Graph.ValueID {
    let (alpha, beta) = (try arguments.double("alpha"), try arguments.double("beta"))
    // ATen does not read self then: it may hold NaN.
    if beta == 0 { return try context.emit(Binary(.mul, scalar: alpha), [product]) }
    var x = try arguments.tensor("self")
    if beta != 1 { x = try context.emit(Binary(.mul, scalar: beta), [x]) }
    return try context.emit(Binary(.add, alpha: alpha), [x, product])
  }

  /// x · weightᵀ + bias, whatever computes the weight.
  private static func linear(
    _ context: inout ImportContext, _ x: Graph.ValueID, _ weight: Graph.ValueID, _ bias: Graph.ValueID?
  ) throws -> Graph.ValueID {
    let shape = try context.shape(of: weight)
    if shape.rank == 2, context.isConstant(weight), bias.map({ context.isConstant($0) }) ?? true {
      return try context.emit(Linear(), [x, weight, bias])
    }
    guard shape.rank == 2 else { throw unsupported("has a weight of rank \(shape.rank)") }
    let result = try product(&context, x, try context.emit(Permute(dims: [1, 0]), [weight]))
    return try bias.map { try context.emit(Binary(.add), [result, $0]) } ?? result
  }

  /// The weight (O, I) of a `Linear` whose matrix is `matrix` (I, O).
  private static func linearWeight(
    _ context: inout ImportContext, _ matrix: Graph.ValueID
  ) throws -> Graph.ValueID {
    try context.transposed(matrix) ?? context.emit(Permute(dims: [1, 0]), [matrix])
  }

  /// `torch.matmul`: vectors are matrices of one row or column, which the result then lacks.
  private static func product(
    _ context: inout ImportContext, _ a: Graph.ValueID, _ b: Graph.ValueID
  ) throws -> Graph.ValueID {
    let (left, right) = (try context.shape(of: a), try context.shape(of: b))
    guard left.rank >= 1, right.rank >= 1 else { throw unsupported("multiplies a scalar as a matrix") }
    if right.rank == 2, context.isConstant(b) {
      return try context.emit(Linear(), [a, try linearWeight(&context, b), nil])
    }
    var (x, y) = (a, b)
    if left.rank == 1 { x = try insertAxis(&context, a, at: 0) }
    if right.rank == 1 { y = try insertAxis(&context, b, at: 1) }
    var result = try context.emit(MatMul(), [x, y])
    if right.rank == 1 { result = try removeAxis(&context, result, fromEnd: 0) }
    if left.rank == 1 { result = try removeAxis(&context, result, fromEnd: right.rank == 1 ? 0 : 1) }
    return result
  }

  static func insertAxis(
    _ context: inout ImportContext, _ x: Graph.ValueID, at axis: Int
  ) throws -> Graph.ValueID {
    var sizes = ownSizes(x, rank: try context.shape(of: x).rank, in: context)
    sizes.insert(SymbolicSize(1), at: axis)
    return try reshaped(&context, x, sizes)
  }

  private static func removeAxis(
    _ context: inout ImportContext, _ x: Graph.ValueID, fromEnd back: Int
  ) throws -> Graph.ValueID {
    let rank = try context.shape(of: x).rank
    var sizes = ownSizes(x, rank: rank, in: context)
    sizes.remove(at: rank - 1 - back)
    return try reshaped(&context, x, sizes)
  }

  static func reshaped(
    _ context: inout ImportContext, _ x: Graph.ValueID, _ sizes: [SymbolicSize]
  ) throws -> Graph.ValueID {
    let (expressions, extra) = sizes.expressions(first: x)
    return try context.emit(Reshape(sizes: expressions), [x] + extra)
  }

  private static func attention(_ context: inout ImportContext, _ arguments: ATenArguments) throws
    -> Graph.ValueID
  {
    guard try arguments.double("dropout_p") == 0 else {
      throw RBNError(
        .importTrainingMode, .model, "drops attention at random: the network was exported in training mode",
        advice: "call model.eval() before torch.export.export")
    }
    var inputs: [Graph.ValueID?] = try ["query", "key", "value"].map { try arguments.tensor($0) }
    if let mask = try arguments.optionalTensor("attn_mask") {
      if context.type(of: mask)?.dtype == .bool {
        let (shown, hidden) = (try context.scalar(0), try context.scalar(-.infinity))
        inputs.append(try context.emit(Where(), [mask, shown, hidden]))
      } else {
        inputs.append(mask)
      }
    }
    let op = ScaledDotProductAttention(
      isCausal: try arguments.bool("is_causal"), scale: try arguments.optionalDouble("scale"))
    return try context.emit(op, inputs)
  }
}
