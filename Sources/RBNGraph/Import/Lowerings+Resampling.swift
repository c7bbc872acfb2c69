import RBNFormats
import RBNTensor

// MARK: - Upsampling, and layers of one dimension as layers of two

extension Lowerings {
  static let resampling: [String: Lowering] = {
    var table: [String: Lowering] = [
      "adaptive_avg_pool1d.default": { context, arguments in
        let op = try AdaptiveAvgPool2d(Attributes(["output_size": try flat("output_size", 1, arguments)]))
        return .value(try overRows(&context, try arguments.tensor("self")) { try $0.emit(op, [$1]) })
      },
      "adaptive_max_pool1d.default": { context, arguments in
        let op = try AdaptiveMaxPool2d(Attributes(["output_size": try flat("output_size", 1, arguments)]))
        return .first(
          try overRows(&context, try arguments.tensor("self")) { try $0.emit(op, [$1]) }, others: maxIndices)
      },
      "adaptive_max_pool2d.default": { context, arguments in
        let op = try AdaptiveMaxPool2d(
          Attributes(["output_size": try arguments.intsAttribute("output_size")]))
        return .first(try context.emit(op, [try arguments.tensor("self")]), others: maxIndices)
      },
      "avg_pool1d.default": { context, arguments in
        var attributes = try rowWindow(arguments)
        attributes.set("count_include_pad", .bool(try arguments.bool("count_include_pad")))
        let op = try AvgPool2d(attributes)
        return .value(try overRows(&context, try arguments.tensor("self")) { try $0.emit(op, [$1]) })
      },
      "max_pool1d.default": { context, arguments in
        var attributes = try rowWindow(arguments)
        attributes.set("dilation", try flat("dilation", 1, arguments))
        let op = try MaxPool2d(attributes)
        return .value(try overRows(&context, try arguments.tensor("self")) { try $0.emit(op, [$1]) })
      },
    ]
    let modes: [(String, Upsample2d.Mode)] = [
      ("upsample_nearest2d", .nearest), ("_upsample_nearest_exact2d", .nearestExact),
      ("upsample_bilinear2d", .bilinear), ("upsample_bicubic2d", .bicubic),
    ]
    for (name, mode) in modes {
      table["\(name).vec"] = { try upsample(mode, "input", &$0, $1) }
      table["\(name).default"] = { try upsample(mode, "self", &$0, $1) }
    }
    return table
  }()

  private static let maxIndices = "the indices of a max pooling, which are not computed"

  private static func upsample(
    _ mode: Upsample2d.Mode, _ input: String, _ context: inout ImportContext, _ arguments: ATenArguments
  ) throws -> Lowered {
    let x = try arguments.tensor(input)
    var factors: [Double]?
    if arguments.has("scale_factors") {
      factors = try arguments.isNone("scale_factors") ? nil : try arguments.doubles("scale_factors")
    } else if let height = try arguments.optionalDouble("scales_h"),
      let width = try arguments.optionalDouble("scales_w")
    {
      factors = [height, width]
    }
    if let factors, factors.count != 2 { throw unsupported("resamples \(factors.count) dimensions, not 2") }
    var (sizes, extra): ([SizeExpression]?, [Graph.ValueID]) = (nil, [])
    if try !arguments.isNone("output_size") {
      let (expressions, mentioned) = try arguments.sizes("output_size").expressions(first: x)
      (sizes, extra) = (expressions, mentioned)
      // With sizes given, the .vec overloads take the factors from them.
      if arguments.has("scale_factors") { factors = nil }
    }
    let isAligned = arguments.has("align_corners") ? try arguments.bool("align_corners") : false
    let op = Upsample2d(mode, outputSize: sizes, scaleFactors: factors, alignCorners: isAligned)
    return .value(try context.emit(try Upsample2d(mode, op.attributes), [x] + extra))
  }

  // MARK: One dimension

  /// An argument of one dimension as one of height and width, the height's being `height`.
  static func flat(_ name: String, _ height: Int, _ arguments: ATenArguments) throws -> Attribute {
    let values = try arguments.ints(name)
    guard values.count <= 1 else { throw unsupported("has \(values.count) sizes for one dimension") }
    return .ints(values.isEmpty ? [] : [height, values[0]])
  }

  private static func rowWindow(_ arguments: ATenArguments) throws -> Attributes {
    Attributes([
      "kernel_size": try flat("kernel_size", 1, arguments), "stride": try flat("stride", 1, arguments),
      "padding": try flat("padding", 0, arguments), "ceil_mode": .bool(try arguments.bool("ceil_mode")),
    ])
  }

  /// Applies a layer for images to (N, C, L) as to images of one row.
  static func overRows(
    _ context: inout ImportContext, _ x: Graph.ValueID,
    _ body: (inout ImportContext, Graph.ValueID) throws -> Graph.ValueID
  ) throws -> Graph.ValueID {
    guard try context.shape(of: x).rank == 3 else {
      throw unsupported("needs an input of shape (N, C, L), got \(try context.shape(of: x))")
    }
    let image = try insertAxis(&context, x, at: 2)
    let result = try body(&context, image)
    let sizes = ownSizes(result, rank: 4, in: context)
    return try reshaped(&context, result, [sizes[0], sizes[1], sizes[3]])
  }
}
