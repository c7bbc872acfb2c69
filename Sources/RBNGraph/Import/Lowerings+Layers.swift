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
      if try arguments.bool("transposed") { return try transposedConvolution(&context, arguments) }
      guard try arguments.ints("output_padding").allSatisfy({ $0 == 0 }) else {
        throw unsupported("pads the output of a convolution")
      }
      return try convolution(&context, arguments, padding: try arguments.intsAttribute("padding"))
    },
    "conv1d.default": { context, arguments in
      try convolution(&context, arguments, padding: try arguments.intsAttribute("padding"))
    },
    "conv1d.padding": { context, arguments in
      try convolution(&context, arguments, padding: .ints(try namedPadding(context, arguments)))
    },
    "conv_transpose2d.input": { try transposedConvolution(&$0, $1) },
    "conv_transpose1d.default": { try transposedConvolution(&$0, $1) },
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
    var attributes = Attributes([
      "stride": try arguments.intsAttribute("stride"), "padding": padding,
      "dilation": try arguments.intsAttribute("dilation"), "groups": .int(try arguments.int("groups")),
    ])
    return .value(
      try overKernel(&context, arguments, &attributes, ["stride": 1, "padding": 0, "dilation": 1]) {
        try Conv2d($0)
      })
  }

  private static func transposedConvolution(
    _ context: inout ImportContext, _ arguments: ATenArguments
  ) throws -> Lowered {
    var attributes = Attributes(["groups": .int(try arguments.int("groups"))])
    let neutral = ["stride": 1, "padding": 0, "dilation": 1, "output_padding": 0]
    for name in neutral.keys { attributes.set(name, try arguments.intsAttribute(name)) }
    return .value(try overKernel(&context, arguments, &attributes, neutral) { try ConvTranspose2d($0) })
  }

  /// Emits a convolution of two dimensions; one of one dimension as one of images and kernels of one row, `neutral` being what
  /// its attributes are for the height.
  private static func overKernel(
    _ context: inout ImportContext, _ arguments: ATenArguments, _ attributes: inout Attributes,
    _ neutral: [String: Int], _ make: (Attributes) throws -> any Operator
  ) throws -> Graph.ValueID {
    let (x, weight) = (try arguments.tensor("input"), try arguments.tensor("weight"))
    let bias = try arguments.optionalTensor("bias")
    switch try context.shape(of: weight).rank {
    case 4: return try context.emit(try make(attributes), [x, weight, bias])
    case 3:
      for (name, height) in neutral {
        guard case .list(let values)? = attributes[name] else { continue }
        switch values.count {
        case 1: attributes.set(name, .list([.int(height), values[0]]))
        // Padding before and after.
        case 2: attributes.set(name, .list([.int(height), values[0], .int(height), values[1]]))
        default: throw unsupported("has \(values.count) elements of \(name) for one dimension")
        }
      }
      let op = try make(attributes)
      let kernel = try insertAxis(&context, weight, at: 2)
      return try overRows(&context, x) { try $0.emit(op, [$1, kernel, bias]) }
    case let rank:
      throw unsupported("is a convolution of \(rank - 2) dimensions; those of 1 and 2 are supported")
    }
  }

  /// Top, left, bottom, right for `padding='same'`, which puts the odd one behind.
  private static func namedPadding(_ context: ImportContext, _ arguments: ATenArguments) throws -> [Int] {
    let weight = try context.shape(of: try arguments.tensor("weight"))
    switch try arguments.string("padding") {
    case "valid": return [0]
    case "same":
      let kernel = weight.dropFirst(2)
      var dilation = try arguments.ints("dilation")
      while dilation.count < kernel.count, let last = dilation.last { dilation.append(last) }
      let stride = try arguments.ints("stride")
      guard dilation.count == kernel.count, stride.allSatisfy({ $0 == 1 }) else {
        throw unsupported("pads a convolution with a stride by 'same'")
      }
      let totals = try zip(dilation, kernel).map { dilation, kernel in
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
}
