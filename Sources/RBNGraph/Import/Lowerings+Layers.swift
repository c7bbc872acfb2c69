import RBNFormats
import RBNTensor

// MARK: - Convolution, normalisation, linear, pooling, reductions

extension Lowerings {
  static let layers: [String: Lowering] = [
    "conv2d.default": { context, arguments in
      try convolution(&context, arguments, padding: try arguments.intsAttribute("padding"))
    },
    "conv2d.padding": { context, arguments in
      try convolution(&context, arguments, padding: .ints(try namedPadding(context, arguments)))
    },
    "convolution.default": { context, arguments in
      guard try !arguments.bool("transposed") else {
        throw unsupported("is a transposed convolution, which is not supported")
      }
      return try convolution(&context, arguments, padding: try arguments.intsAttribute("padding"))
    },
    "batch_norm.default": { context, arguments in
      let hasStatistics = try arguments.optionalTensor("running_mean") != nil
      let isTraining = try arguments.bool("training")
      if isTraining && hasStatistics { throw trainingMode() }
      guard isTraining || hasStatistics else { throw unsupported("has no running statistics in eval mode") }
      return .value(try batchNorm(&context, arguments, hasStatistics: hasStatistics))
    },
    "_native_batch_norm_legit_no_training.default": { context, arguments in
      .first(try batchNorm(&context, arguments, hasStatistics: true), others: savedStatistics)
    },
    "_native_batch_norm_legit.no_stats": { context, arguments in
      guard try arguments.bool("training") else {
        throw unsupported("has no running statistics in eval mode")
      }
      return .first(try batchNorm(&context, arguments, hasStatistics: false), others: savedStatistics)
    },
    "_native_batch_norm_legit.default": eitherMode, "_native_batch_norm_legit_functional.default": eitherMode,
    "linear.default": { context, arguments in
      let inputs = [
        try arguments.tensor("input"), try arguments.tensor("weight"), try arguments.optionalTensor("bias"),
      ]
      return .value(try context.emit(Linear(), inputs))
    },
    "addmm.default": { context, arguments in
      guard try arguments.double("alpha") == 1, try arguments.double("beta") == 1 else {
        throw unsupported("scales its terms by alpha or beta")
      }
      let bias = try arguments.tensor("self")
      let x = try arguments.tensor("mat1")
      let weight = try linearWeight(&context, try arguments.tensor("mat2"))
      let outputs = try context.shape(of: weight)[0]
      if try context.shape(of: bias).dimensions == [outputs] {
        return .value(try context.emit(Linear(), [x, weight, bias]))
      }
      return .value(try context.emit(Binary(.add), [bias, try context.emit(Linear(), [x, weight, nil])]))
    },
    "mm.default": { context, arguments in
      let weight = try linearWeight(&context, try arguments.tensor("mat2"))
      return .value(try context.emit(Linear(), [try arguments.tensor("self"), weight, nil]))
    },
    "matmul.default": { context, arguments in
      let weight = try linearWeight(&context, try arguments.tensor("other"))
      return .value(try context.emit(Linear(), [try arguments.tensor("self"), weight, nil]))
    },
    "adaptive_avg_pool2d.default": adaptivePool, "_adaptive_avg_pool2d.default": adaptivePool,
    "avg_pool2d.default": { context, arguments in
      var attributes = try window(arguments)
      attributes.set("count_include_pad", .bool(try arguments.bool("count_include_pad")))
      if let divisor = try arguments.optionalInt("divisor_override") {
        attributes.set("divisor_override", .int(divisor))
      }
      return .value(try context.emit(AvgPool2d(attributes), [try arguments.tensor("self")]))
    },
    "max_pool2d.default": { context, arguments in .value(try maxPool(&context, arguments)) },
    "max_pool2d_with_indices.default": { context, arguments in
      .first(try maxPool(&context, arguments), others: "the indices of a max pooling, which are not computed")
    },
    "mean.dim": { try reduction(.mean, &$0, $1) },
    "sum.dim_IntList": { try reduction(.sum, &$0, $1) },
    "mean.default": { context, arguments in
      try arguments.requireFloat32("dtype")
      return .value(
        try context.emit(Reduction(.mean, dims: [], keepdim: false), [try arguments.tensor("self")]))
    },
    "softmax.int": { context, arguments in
      try arguments.requireFloat32("dtype")
      return .value(try softmax(&context, arguments))
    },
    "_softmax.default": { context, arguments in
      guard try !arguments.bool("half_to_float") else { throw unsupported("computes in half precision") }
      return .value(try softmax(&context, arguments))
    },
  ]

  private static let savedStatistics =
    "the statistics that a batch normalisation saves, which are not computed"

  private static func trainingMode() -> RBNError {
    RBNError(
      .importTrainingMode, .model, "the network was exported in training mode",
      advice: "call model.eval() before torch.export.export")
  }

  private static let eitherMode: Lowering = { context, arguments in
    guard try !arguments.bool("training") else { throw trainingMode() }
    return .first(try batchNorm(&context, arguments, hasStatistics: true), others: savedStatistics)
  }

  private static func convolution(
    _ context: inout ImportContext, _ arguments: ATenArguments, padding: Attribute
  ) throws -> Lowered {
    let weight = try arguments.tensor("weight")
    guard try context.shape(of: weight).rank == 4 else {
      throw unsupported("is a convolution of \(try context.shape(of: weight).rank - 2) dimensions, not 2")
    }
    let op = try Conv2d(
      Attributes([
        "stride": try arguments.intsAttribute("stride"), "padding": padding,
        "dilation": try arguments.intsAttribute("dilation"), "groups": .int(try arguments.int("groups")),
      ]))
    return .value(
      try context.emit(op, [try arguments.tensor("input"), weight, try arguments.optionalTensor("bias")]))
  }

  /// Top, left, bottom, right for `padding='same'`, which puts the odd one behind.
  private static func namedPadding(_ context: ImportContext, _ arguments: ATenArguments) throws -> [Int] {
    let weight = try context.shape(of: try arguments.tensor("weight"))
    switch try arguments.string("padding") {
    case "valid": return [0]
    case "same":
      var dilation = try arguments.ints("dilation")
      if dilation.count == 1 { dilation.append(dilation[0]) }
      let stride = try arguments.ints("stride")
      guard weight.rank == 4, dilation.count == 2, stride.allSatisfy({ $0 == 1 }) else {
        throw unsupported("pads a convolution with a stride by 'same'")
      }
      let totals = try zip(dilation, [weight[2], weight[3]]).map { dilation, kernel in
        let (total, overflow) = dilation.multipliedReportingOverflow(by: max(kernel, 1) - 1)
        guard !overflow, total >= 0 else { throw unsupported("has a dilation of \(dilation)") }
        return total
      }
      return totals.map { $0 / 2 } + totals.map { $0 - $0 / 2 }
    case let other: throw unsupported("pads by '\(other)'")
    }
  }

  private static func batchNorm(
    _ context: inout ImportContext, _ arguments: ATenArguments, hasStatistics: Bool
  ) throws -> Graph.ValueID {
    var inputs = [
      try arguments.tensor("input"), try arguments.optionalTensor("weight"),
      try arguments.optionalTensor("bias"),
    ]
    for name in ["running_mean", "running_var"] {
      inputs.append(hasStatistics ? try arguments.optionalTensor(name) : nil)
    }
    return try context.emit(BatchNorm(Attributes(["eps": .double(try arguments.double("eps"))])), inputs)
  }

  /// The weight (O, I) of a `Linear` whose matrix is `matrix` (I, O).
  private static func linearWeight(
    _ context: inout ImportContext, _ matrix: Graph.ValueID
  ) throws -> Graph.ValueID {
    if let weight = context.transposed(matrix) { return weight }
    guard context.graph.isParameter(matrix), try context.shape(of: matrix).rank == 2 else {
      throw unsupported("multiplies by a matrix that is not a parameter")
    }
    return try context.emit(Permute(dims: [1, 0]), [matrix])
  }

  private static let adaptivePool: Lowering = { context, arguments in
    let op = try AdaptiveAvgPool2d(Attributes(["output_size": try arguments.intsAttribute("output_size")]))
    return .value(try context.emit(op, [try arguments.tensor("self")]))
  }

  private static func window(_ arguments: ATenArguments) throws -> Attributes {
    Attributes([
      "kernel_size": try arguments.intsAttribute("kernel_size"),
      "stride": try arguments.intsAttribute("stride"), "padding": try arguments.intsAttribute("padding"),
      "ceil_mode": .bool(try arguments.bool("ceil_mode")),
    ])
  }

  private static func maxPool(_ context: inout ImportContext, _ arguments: ATenArguments) throws
    -> Graph.ValueID
  {
    var attributes = try window(arguments)
    attributes.set("dilation", try arguments.intsAttribute("dilation"))
    return try context.emit(MaxPool2d(attributes), [try arguments.tensor("self")])
  }

  private static func reduction(
    _ function: Reduction.Function, _ context: inout ImportContext, _ arguments: ATenArguments
  ) throws -> Lowered {
    try arguments.requireFloat32("dtype")
    var attributes = Attributes(["keepdim": .bool(try arguments.bool("keepdim"))])
    if case .none = try arguments.value("dim") {
      attributes.set("dim", .ints([]))
    } else {
      attributes.set("dim", try arguments.intsAttribute("dim"))
    }
    return .value(try context.emit(Reduction(function, attributes), [try arguments.tensor("self")]))
  }

  private static func softmax(_ context: inout ImportContext, _ arguments: ATenArguments) throws
    -> Graph.ValueID
  {
    let op = try Softmax(Attributes(["dim": .int(try arguments.int("dim"))]))
    return try context.emit(op, [try arguments.tensor("self")])
  }
}
