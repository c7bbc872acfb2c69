import RBNTensor

/// A size that the program computes from sizes of its values: PyTorch's SymInt.
///
/// The number of terms is bounded, so that no chain of nodes makes an expression that takes long to evaluate.
struct SymbolicSize: Hashable, Sendable {
  indirect enum Term: Hashable, Sendable {
    case literal(Int)
    case size(Graph.ValueID, axis: Int)
    case operation(Operation, Term, Term)
  }

  enum Operation: Hashable, Sendable {
    case add, subtract, multiply, floorDivide
  }

  private(set) var term: Term
  private var termCount: Int
  private var depth: Int

  private static let limit = 64
  private static let depthLimit = 24

  init(_ literal: Int) { (term, termCount, depth) = (.literal(literal), 1, 1) }

  init(_ value: Graph.ValueID, axis: Int) { (term, termCount, depth) = (.size(value, axis: axis), 1, 1) }

  /// Combines two sizes; two literals give a literal.
  init(_ operation: Operation, _ left: SymbolicSize, _ right: SymbolicSize) throws {
    term = .operation(operation, left.term, right.term)
    depth = 1 + max(left.depth, right.depth)
    termCount = 1 + left.termCount + right.termCount
    guard termCount <= Self.limit, depth <= Self.depthLimit else {
      throw RBNError(.importSymbolicSize, .model, "a computed size has more than \(Self.limit) terms")
    }
    if left.literal != nil, right.literal != nil {
      self = SymbolicSize(try Self.expression(term) { _ in 0 }.evaluate([]))
    }
  }

  /// Its value, when it does not depend on the input.
  var literal: Int? {
    if case .literal(let value) = term { return value }
    return nil
  }

  /// The values whose sizes it mentions.
  var values: [Graph.ValueID] {
    func collect(_ term: Term) -> [Graph.ValueID] {
      switch term {
      case .literal: []
      case .size(let value, _): [value]
      case .operation(_, let a, let b): collect(a) + collect(b)
      }
    }
    return collect(term)
  }

  /// The expression over a node's inputs, given which input each value is.
  func expression(_ input: (Graph.ValueID) -> Int) -> SizeExpression { Self.expression(term, input) }

  private static func expression(_ term: Term, _ input: (Graph.ValueID) -> Int) -> SizeExpression {
    switch term {
    case .literal(let value): return .literal(value)
    case .size(let value, let axis): return .size(input: input(value), axis: axis)
    case .operation(let operation, let a, let b):
      let (a, b) = (expression(a, input), expression(b, input))
      return switch operation {
      case .add: .add(a, b)
      case .subtract: .subtract(a, b)
      case .multiply: .multiply(a, b)
      case .floorDivide: .floorDivide(a, b)
      }
    }
  }
}

extension [SymbolicSize] {
  /// The expressions for a node whose first input is `value`, and its further inputs.
  func expressions(first value: Graph.ValueID) -> (sizes: [SizeExpression], extra: [Graph.ValueID]) {
    var inputs: [Graph.ValueID] = [value]
    for mentioned in flatMap({ $0.values }) where !inputs.contains(mentioned) { inputs.append(mentioned) }
    let known = inputs
    let sizes = map { size in size.expression { known.firstIndex(of: $0) ?? 0 } }
    return (sizes, [Graph.ValueID](known.dropFirst()))
  }
}
