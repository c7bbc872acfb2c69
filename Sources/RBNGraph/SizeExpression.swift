import RBNTensor

/// A size that may depend on the sizes of a node's inputs: what is left of PyTorch's symbolic integers.
package indirect enum SizeExpression: Hashable, Sendable {
  case literal(Int)
  /// Dimension `axis` of the node's input number `input`.
  case size(input: Int, axis: Int)
  case add(SizeExpression, SizeExpression)
  case subtract(SizeExpression, SizeExpression)
  case multiply(SizeExpression, SizeExpression)
  /// Rounds towards negative infinity, as Python's `//`.
  case floorDivide(SizeExpression, SizeExpression)

  /// Its value for the given inputs.
  ///
  /// - Throws: `graph.shape-mismatch` on overflow, division by zero, or an input that lacks the dimension.
  package func evaluate(_ inputs: [TensorType?]) throws -> Int {
    func checked(_ result: (partialValue: Int, overflow: Bool)) throws -> Int {
      guard !result.overflow else { throw RBNError(.shapeMismatch, .model, "a size expression overflows") }
      return result.partialValue
    }
    switch self {
    case .literal(let value): return value
    case .size(let input, let axis):
      guard input >= 0, input < inputs.count, let type = inputs[input], axis >= 0, axis < type.shape.rank
      else {
        throw RBNError(.shapeMismatch, .model, "a size expression names dimension \(axis) of input \(input)")
      }
      return type.shape[axis]
    case .add(let a, let b):
      return try checked(a.evaluate(inputs).addingReportingOverflow(b.evaluate(inputs)))
    case .subtract(let a, let b):
      return try checked(a.evaluate(inputs).subtractingReportingOverflow(b.evaluate(inputs)))
    case .multiply(let a, let b):
      return try checked(a.evaluate(inputs).multipliedReportingOverflow(by: b.evaluate(inputs)))
    case .floorDivide(let a, let b):
      let (dividend, divisor) = (try a.evaluate(inputs), try b.evaluate(inputs))
      let quotient = try checked(dividend.dividedReportingOverflow(by: divisor))
      let (product, _) = quotient.multipliedReportingOverflow(by: divisor)
      return product != dividend && (dividend < 0) != (divisor < 0) ? quotient - 1 : quotient
    }
  }

  /// Whether it mentions no input.
  package var isLiteral: Bool {
    switch self {
    case .literal: true
    case .size: false
    case .add(let a, let b), .subtract(let a, let b), .multiply(let a, let b), .floorDivide(let a, let b):
      a.isLiteral && b.isLiteral
    }
  }
}

/// As attributes: an integer, or a list `["size", input, axis]`, `["add", a, b]`, ….
extension SizeExpression {
  package var attribute: Attribute {
    switch self {
    case .literal(let value): .int(value)
    case .size(let input, let axis): .list([.string("size"), .int(input), .int(axis)])
    case .add(let a, let b): .list([.string("add"), a.attribute, b.attribute])
    case .subtract(let a, let b): .list([.string("subtract"), a.attribute, b.attribute])
    case .multiply(let a, let b): .list([.string("multiply"), a.attribute, b.attribute])
    case .floorDivide(let a, let b): .list([.string("floor_divide"), a.attribute, b.attribute])
    }
  }

  package init(_ attribute: Attribute, depth: Int = 0) throws {
    let malformed = RBNError(.invalidAttribute, .model, "a size expression is malformed")
    guard depth < 32 else { throw malformed }
    switch attribute {
    case .int(let value): self = .literal(value)
    case .list(let parts) where parts.count == 3:
      guard case .string(let operation) = parts[0] else { throw malformed }
      if operation == "size" {
        guard case .int(let input) = parts[1], case .int(let axis) = parts[2] else { throw malformed }
        self = .size(input: input, axis: axis)
        return
      }
      let (a, b) = (try Self(parts[1], depth: depth + 1), try Self(parts[2], depth: depth + 1))
      switch operation {
      case "add": self = .add(a, b)
      case "subtract": self = .subtract(a, b)
      case "multiply": self = .multiply(a, b)
      case "floor_divide": self = .floorDivide(a, b)
      default: throw malformed
      }
    default: throw malformed
    }
  }
}

extension Attributes {
  /// A list of size expressions.
  package func sizes(_ name: String) throws -> [SizeExpression] {
    guard case .list(let list)? = self[name] else { throw invalid(name, "is not a list of sizes") }
    return try list.map { try SizeExpression($0) }
  }
}
