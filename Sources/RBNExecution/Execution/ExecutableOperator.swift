import RBNGraph
import RBNTensor

/// An operator that the executor can run. What depends on the parameters alone (packing weights, folding statistics)
/// is done once, in ``compile(_:)``.
package protocol ExecutableOperator: Operator {
  func compile(_ node: NodeContext) throws -> any CompiledOperator
}

/// An operator with its parameters, ready to run on any shape that shape inference accepted.
package protocol CompiledOperator: Sendable {
  /// The kernel in use, for people: `conv2d avx512 6×64`.
  var kernel: String { get }

  /// The inputs that ``ExecutableOperator/compile(_:)`` has taken in: no step reads them.
  var consumedParameters: Set<Int> { get }

  /// Bytes of the weights that it holds in a form of its own.
  var packedByteCount: Int { get }

  /// The input whose sums over H and W ``run(_:_:_:)`` wants in ``RunContext/inputSums``; `nil` for none.
  ///
  /// - Complexity: O(1); asked after ``specialized(_:_:threads:)``.
  func summedInput(_ inputs: [Operand?]) -> Int?

  /// Whether ``run(_:_:_:)`` fills ``RunContext/outputSums`` when it is there.
  var collectsOutputSums: Bool { get }

  /// The operator with everything decided that follows from the sizes: asked once for a plan, before the rest.
  ///
  /// - Parameter collectsSums: Whether ``RunContext/outputSums`` will be there.
  func specialized(_ inputs: [Operand?], _ output: Operand, threads: Int, collectsSums: Bool) throws
    -> any CompiledOperator
  /// Whether inputs of rank 4 may lie in either format; the others want theirs channels-last.
  var acceptsAnyFormat: Bool { get }

  /// The format in which the output costs least. Asked for where every reader of the output accepts any.
  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat

  /// Bytes of scratch memory that ``run(_:_:_:)`` needs for these operands.
  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int

  /// The input whose memory the output may take over unchanged, when the operator moves no data.
  func aliasedInput(_ inputs: [Operand?], _ output: Operand) -> Int?

  /// Computes the output. Inputs are those of the node, `nil` for parameters that ``ExecutableOperator/compile(_:)`` consumed.
  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws
}

extension CompiledOperator {
  package var consumedParameters: Set<Int> { [] }
  package var packedByteCount: Int { 0 }
  package func summedInput(_ inputs: [Operand?]) -> Int? { nil }
  package var collectsOutputSums: Bool { false }
  package func specialized(_ inputs: [Operand?], _ output: Operand, threads: Int, collectsSums: Bool) throws
    -> any CompiledOperator
  { self }
  package var acceptsAnyFormat: Bool { false }
  package func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat { MemoryFormat(shape) }
  package func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int { 0 }
  package func aliasedInput(_ inputs: [Operand?], _ output: Operand) -> Int? { nil }

  /// The operand of a required input; the planner has checked that it is there.
  package func input(_ inputs: [Operand?], _ index: Int) throws -> Operand {
    guard index < inputs.count, let operand = inputs[index] else {
      throw RBNError(.malformedGraph, .model, "input \(index) of \(kernel) is missing")
    }
    return operand
  }
}

/// An operator that needs no preparation compiles to itself.
extension ExecutableOperator where Self: CompiledOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator { self }
}

/// What an operator sees when it is compiled.
package struct NodeContext {
  package let node: Graph.Node
  package let graph: Graph
  package let kernels: KernelTable
  package let options: ExecutionOptions
  /// The threads that may help to prepare weights.
  package let pool: ThreadPool
  /// The types of all values for the example's input shapes.
  package let exampleTypes: [TensorType?]

  /// The shape of an input for the example's input shapes.
  package func exampleShape(_ index: Int) -> Shape? {
    guard index < node.inputs.count, let value = node.inputs[index] else { return nil }
    return exampleTypes[value.index]?.shape
  }

  /// A parameter in float32, or `nil` when the input is absent.
  ///
  /// - Throws: `graph.unsupported-operator` when the input is there but is not a parameter.
  package func parameter(_ index: Int, _ label: String) throws -> Tensor? {
    guard index < node.inputs.count, let value = node.inputs[index] else { return nil }
    guard let tensor = graph.tensor(of: value) else {
      throw RBNError(
        .unsupportedOperator, .model, location: node.place,
        "its \(label) is computed by the network, not a parameter")
    }
    return try tensor.converted(to: .float32)
  }

  /// A parameter with one number a channel in float64, or `nil` when the input is absent.
  package func channelVector(_ index: Int, _ label: String) throws -> [Double]? {
    guard index < node.inputs.count, let value = node.inputs[index] else { return nil }
    guard let tensor = graph.tensor(of: value) else {
      throw RBNError(
        .unsupportedOperator, .model, location: node.place,
        "its \(label) is computed by the network, not a parameter")
    }
    return tensor.doubles
  }
}
