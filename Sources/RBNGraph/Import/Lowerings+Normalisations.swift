import RBNFormats
import RBNTensor

// MARK: - Normalisation by an instance's own statistics

extension Lowerings {
  static let normalisations: [String: Lowering] = [
    "layer_norm.default": { context, arguments in .value(try layerNorm(&context, arguments)) },
    "native_layer_norm.default": { context, arguments in
      .first(try layerNorm(&context, arguments), others: savedMoments)
    },
    "group_norm.default": { context, arguments in
      .value(try groupNorm(&context, arguments, groups: try arguments.int("num_groups")))
    },
    "native_group_norm.default": { context, arguments in
      .first(
        try groupNorm(&context, arguments, groups: try arguments.int("group")), others: savedMoments)
    },
    "instance_norm.default": { context, arguments in
      let x = try arguments.tensor("input")
      let shape = try context.shape(of: x)
      guard shape.rank >= 3 else { throw unsupported("normalises instances of a tensor of shape \(shape)") }
      if try arguments.bool("use_input_stats") {
        return .value(try groupNorm(&context, arguments, groups: shape[1]))
      }
      let inputs =
        try [x]
        + ["weight", "bias", "running_mean", "running_var"].map {
          try arguments.optionalTensor($0)
        }
      return .value(try context.emit(BatchNorm(eps: try arguments.double("eps")), inputs))
    },
    // x / sqrt(mean of squares + eps) · weight.
    "rms_norm.default": { context, arguments in
      let x = try arguments.tensor("input")
      let axes = try arguments.ints("normalized_shape").indices.map { -1 - $0 }
      let square = try context.emit(Unary(.pow(exponent: 2)), [x])
      let mean = try context.emit(Reduction(.mean, dims: axes, keepdim: true), [square])
      // torch.finfo(torch.float32).eps
      let eps = try arguments.optionalDouble("eps") ?? Double(Float.ulpOfOne)
      let shifted = try context.emit(Binary(.add, scalar: eps), [mean])
      let inverse = try context.emit(Unary(.rsqrt), [shifted])
      let result = try context.emit(Binary(.mul), [x, inverse])
      guard let weight = try arguments.optionalTensor("weight") else { return .value(result) }
      return .value(try context.emit(Binary(.mul), [result, weight]))
    },
  ]

  private static let savedMoments = "the moments that a normalisation saves, which are not computed"

  private static func layerNorm(_ context: inout ImportContext, _ arguments: ATenArguments) throws
    -> Graph.ValueID
  {
    let op = try LayerNorm(
      Attributes([
        "normalized_shape": try arguments.intsAttribute("normalized_shape"),
        "eps": .double(try arguments.double("eps")),
      ]))
    return try context.emit(
      op,
      [
        try arguments.tensor("input"), try arguments.optionalTensor("weight"),
        try arguments.optionalTensor("bias"),
      ])
  }

  private static func groupNorm(
    _ context: inout ImportContext, _ arguments: ATenArguments, groups: Int
  ) throws -> Graph.ValueID {
    let op = try GroupNorm(
      Attributes(["num_groups": .int(groups), "eps": .double(try arguments.double("eps"))]))
    return try context.emit(
      op,
      [
        try arguments.tensor("input"), try arguments.optionalTensor("weight"),
        try arguments.optionalTensor("bias"),
      ])
  }
}
