import RBNFormats
import RBNTensor

// MARK: - Constants

extension Lowerings {
  static let creations: [String: Lowering] = [
    "zeros.default": { try filled(&$0, $1, with: 0) },
    "ones.default": { try filled(&$0, $1, with: 1) },
    "full.default": { try filled(&$0, $1, with: try $1.double("fill_value")) },
    // What is in it does not matter: a program that reads it has written to it.
    "empty.memory_format": { try filled(&$0, $1, with: 0) },
    "new_zeros.default": { try filled(&$0, $1, with: 0) },
    "new_ones.default": { try filled(&$0, $1, with: 1) },
    "new_full.default": { try filled(&$0, $1, with: try $1.double("fill_value")) },
    "zeros_like.default": { try filledLike(&$0, $1, with: 0) },
    "ones_like.default": { try filledLike(&$0, $1, with: 1) },
    "full_like.default": { try filledLike(&$0, $1, with: try $1.double("fill_value")) },
    "scalar_tensor.default": { context, arguments in
      .value(try context.scalar(try arguments.double("s"), dtype: try arguments.dtype("dtype") ?? .float32))
    },
    "arange.default": arange, "arange.start": arange, "arange.start_step": arange,
  ]

  /// The dtype of a tensor made of one number.
  private static func dtype(_ context: ImportContext, _ arguments: ATenArguments) throws -> DType {
    if let given = try arguments.dtype("dtype") { return given }
    if arguments.has("self") { return context.type(of: try arguments.tensor("self"))?.dtype ?? .float32 }
    guard arguments.has("fill_value") else { return .float32 }
    switch try arguments.value("fill_value") {
    case .bool: return .bool
    case .int: return .int64
    default: return .float32
    }
  }

  /// A tensor of one number. Sizes that depend on the input make it a number that is expanded.
  private static func filled(
    _ context: inout ImportContext, _ arguments: ATenArguments, with number: Double
  ) throws -> Lowered {
    let dtype = try dtype(context, arguments)
    let sizes = try arguments.sizes("size")
    let literals = sizes.compactMap(\.literal)
    if literals.count == sizes.count {
      guard literals.allSatisfy({ $0 >= 0 }) else { throw unsupported("has a negative size") }
      return .value(try context.constant(Shape(literals), dtype: dtype) { _ in number })
    }
    let scalar = try context.scalar(number, dtype: dtype)
    let (expressions, extra) = sizes.expressions(first: scalar)
    return .value(try context.emit(Expand(sizes: expressions), [scalar] + extra))
  }

  private static func filledLike(
    _ context: inout ImportContext, _ arguments: ATenArguments, with number: Double
  ) throws -> Lowered {
    let x = try arguments.tensor("self")
    let scalar = try context.scalar(number, dtype: try dtype(context, arguments))
    let sizes = ownSizes(x, rank: try context.shape(of: x).rank, in: context)
    let (expressions, extra) = sizes.expressions(first: scalar)
    return .value(try context.emit(Expand(sizes: expressions), [scalar] + extra))
  }

  private static let arange: Lowering = { context, arguments in
    let (start, end) = (
      arguments.has("start") ? try arguments.double("start") : 0, try arguments.double("end")
    )
    let step = arguments.has("step") ? try arguments.double("step") : 1
    let count = ((end - start) / step).rounded(.up)
    guard step != 0, count >= 0, count <= Double(ExactIntegers.limit) else {
      throw unsupported("counts from \(start) to \(end) by \(step)")
    }
    let isInteger = !["start", "end", "step"].contains { arguments.isFloatingPoint($0) }
    let dtype = try arguments.dtype("dtype") ?? (isInteger ? .int64 : .float32)
    return .value(try context.constant([Int(count)], dtype: dtype) { start + Double($0) * step })
  }
}
