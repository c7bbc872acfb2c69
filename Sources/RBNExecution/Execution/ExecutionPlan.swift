import RBNGraph
import RBNTensor

/// The steps of a network for one set of input shapes, with every value placed in memory.
package struct ExecutionPlan: Sendable {
  /// One operation.
  package struct Step: Sendable {
    package var name: String
    package var module: ModuleCall
    package var op: any Operator
    package var compiled: any CompiledOperator
    package var inputs: [Operand?]
    package var output: Operand
    package var scratchOffset: Int
    package var scratchByteCount: Int

    /// Whether the output is an input's memory, unchanged: nothing runs.
    package var isAlias: Bool
    /// Byte offsets of the sums that the operator reads and writes.
    package var inputSumsOffset: Int?
    package var outputSumsOffset: Int?
    /// The sums of the output, when a later step wants them and the operator does not collect them.
    package var sums: CollectedSums?
  }

  /// Sums over H and W of a value, (N, C) in float64, made in a pass of their own.
  package struct CollectedSums: Sendable {
    package var offset: Int
    package var scratchOffset: Int
  }

  package let inputShapes: [Shape]
  package let steps: [Step]
  /// Where the network's inputs and outputs lie, in the order of the graph's.
  package let inputs: [Operand]
  package let outputs: [Operand]
  /// The dtypes of the outputs; every value is computed in float32.
  package let outputDTypes: [DType]
  /// The sums that are made of inputs before the first step.
  package let inputSums: [(operand: Operand, sums: CollectedSums)]
  /// The memory of one call in flight, in bytes.
  package let arenaByteCount: Int
}
