import RBNFormats
import RBNTensor

// MARK: - Elementwise

extension Lowerings {
  /// Functions that have an in-place twin.
  static let elementwise: [String: Lowering] = unaries.merging(binaries) { $1 }.merging(selections) { $1 }

  private static let unaries: [String: Lowering] = {
    var table: [String: Lowering] = [
      "relu6.default": unary { _ in .clamp(min: 0, max: 6) },
      "hardtanh.default": unary { .clamp(min: try $0.double("min_val"), max: try $0.double("max_val")) },
      "clamp.default": unary(promotedBy: ["min", "max"]) {
        .clamp(min: try $0.optionalDouble("min"), max: try $0.optionalDouble("max"))
      },
      "clamp_min.default": unary(promotedBy: ["min"]) { .clamp(min: try $0.double("min"), max: nil) },
      "clamp_max.default": unary(promotedBy: ["max"]) { .clamp(min: nil, max: try $0.double("max")) },
      "square.default": unary { _ in .pow(exponent: 2) },
      "pow.Tensor_Scalar": unary(promotedBy: ["exponent"]) { .pow(exponent: try $0.double("exponent")) },
      "gelu.default": unary {
        switch try $0.string("approximate") {
        case "none": .gelu
        case "tanh": .geluTanh
        case let other: throw unsupported("approximates GELU by \(other)")
        }
      },
      "leaky_relu.default": unary { .leakyRelu(slope: try $0.double("negative_slope")) },
      "elu.default": unary {
        .elu(
          alpha: try $0.double("alpha"), scale: try $0.double("scale"),
          inputScale: try $0.double("input_scale"))
      },
      // The constants of Klambauer et al., Self-Normalizing Neural Networks (2017).
      "selu.default": unary { _ in
        .elu(
          alpha: 1.6732632423543772848170429916717, scale: 1.0507009873554804934193349852946, inputScale: 1)
      },
      "celu.default": unary {
        let alpha = try $0.double("alpha")
        return .elu(alpha: alpha, scale: 1, inputScale: 1 / alpha)
      },
      "softplus.default": unary {
        .softplus(beta: try $0.double("beta"), threshold: try $0.double("threshold"))
      },
      // log(1 / (1 + exp(−x))) = −softplus(−x); above 40 softplus is the identity even in float64.
      "log_sigmoid.default": { context, arguments in
        let negative = try context.emit(Unary(.neg), [try arguments.tensor("self")])
        let positive = try context.emit(Unary(.softplus(beta: 1, threshold: 40)), [negative])
        return .value(try context.emit(Unary(.neg), [positive]))
      },
      "log10.default": { context, arguments in
        let logarithm = try context.emit(Unary(.log), [try arguments.tensor("self")])
        return .value(try context.emit(Binary(.mul, scalar: 0.43429448190325182765), [logarithm]))
      },
      "bitwise_not.default": { context, arguments in
        let x = try arguments.tensor("self")
        guard context.type(of: x)?.dtype == .bool else { throw unsupported("inverts the bits of integers") }
        return .value(try context.emit(Unary(.logicalNot), [x]))
      },
    ]
    let plain: [(String, Unary.Function)] = [
      ("relu", .relu), ("sigmoid", .sigmoid), ("hardsigmoid", .hardsigmoid), ("hardswish", .hardswish),
      ("silu", .silu), ("tanh", .tanh), ("abs", .abs), ("exp", .exp), ("sqrt", .sqrt), ("rsqrt", .rsqrt),
      ("reciprocal", .reciprocal), ("neg", .neg), ("mish", .mish), ("log", .log), ("log2", .log2),
      ("log1p", .log1p), ("expm1", .expm1), ("sin", .sin), ("cos", .cos), ("erf", .erf), ("sign", .sign),
      ("floor", .floor), ("ceil", .ceil), ("trunc", .trunc), ("round", .round), ("logical_not", .logicalNot),
    ]
    for (name, function) in plain { table["\(name).default"] = unary { _ in function } }
    return table
  }()

  private static let binaries: [String: Lowering] = {
    var table: [String: Lowering] = [
      "rsub.Tensor": { try binary(.sub, "other", "self", &$0, $1) },
      "rsub.Scalar": { try binary(.sub, "other", "self", &$0, $1) },
      "pow.Tensor_Tensor": { try binary(.pow, "self", "exponent", &$0, $1) },
      "pow.Scalar": { try binary(.pow, "self", "exponent", &$0, $1) },
      "div.Tensor_mode": roundedDivision, "div.Scalar_mode": roundedDivision,
      "true_divide.Tensor": { try binary(.div, "self", "other", &$0, $1) },
      "max.other": { try binary(.maximum, "self", "other", &$0, $1) },
      "min.other": { try binary(.minimum, "self", "other", &$0, $1) },
      "bitwise_and.Tensor": { try logical(.logicalAnd, &$0, $1) },
      "bitwise_or.Tensor": { try logical(.logicalOr, &$0, $1) },
      // x − trunc(x / y) · y.
      "fmod.Scalar": { context, arguments in
        let y = try arguments.double("other")
        let x = try promoted(try arguments.tensor("self"), by: ["other"], &context, arguments)
        let quotient = try context.emit(Binary(.truncateDivide, scalar: y), [x])
        return .value(try context.emit(Binary(.sub, alpha: y), [x, quotient]))
      },
      "prelu.default": prelu, "_prelu_kernel.default": { try binary(.prelu, "self", "weight", &$0, $1) },
    ]
    let plain: [(String, Binary.Function, [String])] = [
      ("add", .add, ["Tensor", "Scalar"]), ("sub", .sub, ["Tensor", "Scalar"]),
      ("mul", .mul, ["Tensor", "Scalar"]), ("div", .div, ["Tensor", "Scalar"]),
      ("maximum", .maximum, ["default"]), ("minimum", .minimum, ["default"]),
      ("eq", .equal, ["Tensor", "Scalar"]), ("ne", .notEqual, ["Tensor", "Scalar"]),
      ("lt", .less, ["Tensor", "Scalar"]), ("le", .lessOrEqual, ["Tensor", "Scalar"]),
      ("gt", .greater, ["Tensor", "Scalar"]), ("ge", .greaterOrEqual, ["Tensor", "Scalar"]),
      ("logical_and", .logicalAnd, ["default"]), ("logical_or", .logicalOr, ["default"]),
      ("logical_xor", .logicalXor, ["default"]), ("remainder", .remainder, ["Tensor", "Scalar"]),
      ("floor_divide", .floorDivide, ["default", "Scalar"]),
    ]
    for (name, function, overloads) in plain {
      for overload in overloads {
        table["\(name).\(overload)"] = { try binary(function, "self", "other", &$0, $1) }
      }
    }
    return table
  }()

  /// A function of one tensor. `numbers` are the arguments that ATen's result type depends on.
  private static func unary(
    promotedBy numbers: [String] = [],
    _ function: @escaping @Sendable (ATenArguments) throws -> Unary.Function
  ) -> Lowering {
    { context, arguments in
      let x = try promoted(try arguments.tensor("self"), by: numbers, &context, arguments)
      return .value(try context.emit(Unary(try function(arguments)), [x]))
    }
  }

  /// A tensor as ATen computes with it beside Python numbers: integers and booleans are float32 when one of the
  /// numbers is of floating point, `2.0` as well as `2.5`.
  private static func promoted(
    _ x: Graph.ValueID, by numbers: [String], _ context: inout ImportContext, _ arguments: ATenArguments
  ) throws -> Graph.ValueID {
    guard numbers.contains(where: { arguments.isFloatingPoint($0) }),
      context.type(of: x)?.dtype.isFloatingPoint == false
    else { return x }
    return try context.emit(Cast(to: .float32), [x])
  }

  /// `left ∘ alpha · right`, where a number may stand for one of the tensors.
  private static func binary(
    _ function: Binary.Function, _ left: String, _ right: String, _ context: inout ImportContext,
    _ arguments: ATenArguments
  ) throws -> Lowered {
    let hasAlpha = function == .add || function == .sub
    let alpha = hasAlpha && arguments.has("alpha") ? try arguments.double("alpha") : 1
    let areBooleans = try [left, right].map { isBoolean(try arguments.value($0), context) }
    // ATen refuses it too.
    if function == .sub, areBooleans.contains(true) { throw unsupported("subtracts booleans") }
    if areBooleans == [true, true] {
      let logical = try ofBooleans(function, alpha: alpha)
      return try binary(logical, left, right, alpha: 1, &context, arguments)
    }
    return try binary(function, left, right, alpha: alpha, &context, arguments)
  }

  private static func binary(
    _ function: Binary.Function, _ left: String, _ right: String, alpha: Double,
    _ context: inout ImportContext, _ arguments: ATenArguments
  ) throws -> Lowered {
    func operand(_ value: Graph.ValueID, beside number: String) throws -> Graph.ValueID {
      // Comparisons give booleans whatever they compare.
      try function.isPredicate ? value : promoted(value, by: [number], &context, arguments)
    }
    switch (try arguments.value(left), try arguments.value(right)) {
    case (.tensor(let a), .tensor(let b)):
      return .value(try context.emit(Binary(function, alpha: alpha), [a, b]))
    case (.tensor(let a), _):
      let (number, x) = (try arguments.double(right), try operand(a, beside: right))
      return .value(try context.emit(Binary(function, scalar: number, alpha: alpha), [x]))
    case (_, .tensor(let b)):
      let (number, x) = (try arguments.double(left), try operand(b, beside: left))
      return .value(
        try context.emit(Binary(function, scalar: number, scalarIsFirst: true, alpha: alpha), [x]))
    default: throw unsupported("computes with numbers only")
    }
  }

  /// The function that arithmetic of two booleans is, which ATen computes in `bool`: true + true is true.
  private static func ofBooleans(_ function: Binary.Function, alpha: Double) throws -> Binary.Function {
    switch function {
    case .add:
      guard alpha != 0 else { throw unsupported("adds booleans of which it leaves one out") }
      return .logicalOr
    case .mul: return .logicalAnd
    default: return function
    }
  }

  private static func isBoolean(_ value: ATenArguments.Value, _ context: ImportContext) -> Bool {
    switch value {
    case .bool: true
    case .tensor(let tensor): context.type(of: tensor)?.dtype == .bool
    default: false
    }
  }

  private static func logical(
    _ function: Binary.Function, _ context: inout ImportContext, _ arguments: ATenArguments
  ) throws -> Lowered {
    for name in ["self", "other"] {
      guard case .tensor(let value) = try arguments.value(name), context.type(of: value)?.dtype == .bool
      else {
        throw unsupported("combines the bits of integers")
      }
    }
    return try binary(function, "self", "other", &context, arguments)
  }

  private static let roundedDivision: Lowering = { context, arguments in
    if try arguments.isNone("rounding_mode") { return try binary(.div, "self", "other", &context, arguments) }
    switch try arguments.string("rounding_mode") {
    case "floor": return try binary(.floorDivide, "self", "other", &context, arguments)
    case "trunc": return try binary(.truncateDivide, "self", "other", &context, arguments)
    case let other: throw unsupported("divides in mode '\(other)'")
    }
  }

  /// The weight is one number, or one for each channel.
  private static let prelu: Lowering = { context, arguments in
    let (x, weight) = (try arguments.tensor("self"), try arguments.tensor("weight"))
    let rank = try context.shape(of: x).rank
    let count = try context.shape(of: weight).elementCount()
    let sizes = (0..<max(rank, 1)).map { SizeExpression.literal($0 == min(1, rank - 1) ? count : 1) }
    let aligned = try context.emit(Reshape(sizes: sizes), [weight])
    return .value(try context.emit(Binary(.prelu), [x, aligned]))
  }
}

// MARK: - Choosing between tensors, and sums of products

extension Lowerings {
  private static let selections: [String: Lowering] = [
    "where.self": { context, arguments in
      let inputs = try ["condition", "self", "other"].map { try arguments.tensor($0) }
      return .value(try context.emit(Where(), inputs))
    },
    "where.ScalarOther": choose, "where.ScalarSelf": choose, "where.Scalar": choose,
    "masked_fill.Scalar": { context, arguments in
      let x = try arguments.tensor("self")
      let dtype = context.type(of: x)?.dtype ?? .float32
      let value = try context.scalar(try arguments.double("value"), dtype: dtype)
      return .value(try context.emit(Where(), [try arguments.tensor("mask"), value, x]))
    },
    "masked_fill.Tensor": { context, arguments in
      let inputs = try ["mask", "value", "self"].map { try arguments.tensor($0) }
      return .value(try context.emit(Where(), inputs))
    },
    "clamp.Tensor": { context, arguments in
      var x = try arguments.tensor("self")
      if let low = try arguments.optionalTensor("min") { x = try context.emit(Binary(.maximum), [x, low]) }
      if let high = try arguments.optionalTensor("max") { x = try context.emit(Binary(.minimum), [x, high]) }
      return .value(x)
    },
    // x where |x| > λ, NaN included.
    "hardshrink.default": { context, arguments in
      let x = try arguments.tensor("self")
      let size = try context.emit(Unary(.abs), [x])
      let small = try context.emit(Binary(.lessOrEqual, scalar: try arguments.double("lambd")), [size])
      return .value(try context.emit(Where(), [small, try context.scalar(0), x]))
    },
    "softshrink.default": { context, arguments in
      let (x, lambda) = (try arguments.tensor("self"), try arguments.double("lambd"))
      let inside = try context.emit(Unary(.clamp(min: -lambda, max: lambda)), [x])
      return .value(try context.emit(Binary(.sub), [x, inside]))
    },
    "threshold.default": { context, arguments in
      let x = try arguments.tensor("self")
      let below = try context.emit(Binary(.lessOrEqual, scalar: try arguments.double("threshold")), [x])
      let value = try context.scalar(try arguments.double("value"))
      return .value(try context.emit(Where(), [below, value, x]))
    },
    "glu.default": { context, arguments in
      let x = try arguments.tensor("self")
      let shape = try context.shape(of: x)
      let axis = try wrap(try arguments.int("dim"), rank: shape.rank)
      guard shape[axis] % 2 == 0 else { throw unsupported("halves a dimension of size \(shape[axis])") }
      let half = shape[axis] / 2
      let first = try context.emit(Slice(dim: axis, start: 0, end: half), [x])
      let second = try context.emit(Slice(dim: axis, start: half, end: shape[axis]), [x])
      return .value(try context.emit(Binary(.mul), [first, try context.emit(Unary(.sigmoid), [second])]))
    },
    "addcmul.default": { try sumOfProduct(.mul, &$0, $1) },
    "addcdiv.default": { try sumOfProduct(.div, &$0, $1) },
    // self + weight · (end − self).
    "lerp.Scalar": { context, arguments in
      let (x, end) = (try arguments.tensor("self"), try arguments.tensor("end"))
      let difference = try context.emit(Binary(.sub), [end, x])
      return .value(try context.emit(Binary(.add, alpha: try arguments.double("weight")), [x, difference]))
    },
    "lerp.Tensor": { context, arguments in
      let (x, end) = (try arguments.tensor("self"), try arguments.tensor("end"))
      let difference = try context.emit(Binary(.sub), [end, x])
      let step = try context.emit(Binary(.mul), [difference, try arguments.tensor("weight")])
      return .value(try context.emit(Binary(.add), [x, step]))
    },
    "copy.default": { context, arguments in
      let (x, source) = (try arguments.tensor("self"), try arguments.tensor("src"))
      return .value(try expanded(source, like: x, &context))
    },
    "fill.Scalar": { context, arguments in
      let x = try arguments.tensor("self")
      let dtype = context.type(of: x)?.dtype ?? .float32
      let value = try context.scalar(try arguments.double("value"), dtype: dtype)
      return .value(try expanded(value, like: x, &context))
    },
    "zero.default": { context, arguments in
      let x = try arguments.tensor("self")
      let value = try context.scalar(0, dtype: context.type(of: x)?.dtype ?? .float32)
      return .value(try expanded(value, like: x, &context))
    },
  ]

  /// `where` with a number for one of its tensors.
  private static let choose: Lowering = { context, arguments in
    var dtype = DType.bool
    for name in ["self", "other"] {
      guard case .tensor(let value) = try arguments.value(name) else { continue }
      dtype = context.type(of: value)?.dtype ?? .float32
    }
    for name in ["self", "other"] {
      if arguments.isFloatingPoint(name) { dtype = dtype.promoted(withNumber: false) }
      if arguments.isWhole(name) { dtype = dtype.promoted(withNumber: true) }
    }
    var inputs = [try arguments.tensor("condition")]
    for name in ["self", "other"] {
      if case .tensor(let value) = try arguments.value(name) {
        inputs.append(value)
      } else {
        inputs.append(try context.scalar(try arguments.double(name), dtype: dtype))
      }
    }
    return .value(try context.emit(Where(), inputs))
  }

  /// self + value · (tensor1 ∘ tensor2).
  private static func sumOfProduct(
    _ function: Binary.Function, _ context: inout ImportContext, _ arguments: ATenArguments
  ) throws -> Lowered {
    let product = try context.emit(
      Binary(function), [try arguments.tensor("tensor1"), try arguments.tensor("tensor2")])
    return .value(
      try context.emit(
        Binary(.add, alpha: try arguments.double("value")), [try arguments.tensor("self"), product]))
  }

  /// A tensor broadcast to the shape, and converted to the dtype, of another.
  static func expanded(
    _ source: Graph.ValueID, like x: Graph.ValueID, _ context: inout ImportContext
  ) throws -> Graph.ValueID {
    var source = source
    if let dtype = context.type(of: x)?.dtype, dtype != context.type(of: source)?.dtype {
      source = try context.emit(Cast(to: dtype), [source])
    }
    let shape = try context.shape(of: x)
    if try context.shape(of: source) == shape { return source }
    let (sizes, extra) = ownSizes(x, rank: shape.rank, in: context).expressions(first: source)
    return try context.emit(Expand(sizes: sizes), [source] + extra)
  }
}
