import RBNTensor
import Testing

@testable import RBNExecution
@testable import RBNGraph

/// Operators beside those of plain convolutional networks against PyTorch: the float64 reference, and the kernels of every
/// instruction set, with and without passes.
@Suite struct FurtherOperatorGoldenTests {
  private static let cases = Result { try OperatorCase.all("further").known }

  @Test func thereAreCases() throws { #expect(try Self.cases.get().count > 190) }

  /// Of the largest element. Sums of up to a hundred terms of order 1, each rounded to float32.
  private static let tolerance = 1e-6
  /// float64 on both sides.
  private static let referenceTolerance = 1e-12

  @Test(arguments: try cases.get()) func theReferenceIsTheTruth(_ test: OperatorCase) throws {
    let graph = try ExportedProgramImporter.graph(from: test.program)
    let results = try ReferenceExecutor(graph: graph).run(test.inputs)
    for (index, result) in results.enumerated() {
      let truth = test.truths.isEmpty ? test.outputs[index] : test.truths[index]
      compare(result, truth, Self.referenceTolerance, "result \(index)")
    }
  }

  @Test(arguments: try cases.get()) func everyKernelIsCloseToTheTruth(_ test: OperatorCase) throws {
    let graph = try ExportedProgramImporter.graph(from: test.program)
    for instructionSet in InstructionSet.available {
      for disabled in [[], PassPipeline.names] {
        var options = ExecutionOptions()
        options.instructionSet = instructionSet
        options.disabledPasses = Set(disabled)
        let results = try NetworkExecutor(graph: graph, options: options).run(test.inputs)
        #expect(results.map(\.dtype) == test.outputs.map(\.dtype))
        for (index, result) in results.enumerated() {
          let label = "\(instructionSet), \(disabled.isEmpty ? "fused" : "unfused"), result \(index)"
          guard !test.truths.isEmpty else {
            // Moved or compared, not computed: the very numbers.
            compare(result, test.outputs[index], 0, label)
            continue
          }
          // Where float32 overflows and float64 does not, PyTorch's result counts.
          let overflows = test.outputs[index].doubles.map { !$0.isFinite }
          compare(result, test.truths[index], Self.tolerance, label, except: overflows)
        }
      }
    }
  }

  private func compare(
    _ result: Tensor, _ expected: Tensor, _ tolerance: Double, _ label: String, except: [Bool] = []
  ) {
    guard result.shape == expected.shape else {
      Issue.record("\(label): the shape is \(result.shape), not \(expected.shape)")
      return
    }
    let (ours, theirs) = (result.doubles, expected.doubles)
    // Numbers beyond what float32 holds of sums would hide all others.
    let largest = theirs.reduce(0) { $1.isFinite && abs($1) < 1e30 ? max($0, abs($1)) : $0 }
    for index in theirs.indices where !(index < except.count && except[index]) {
      let (a, b) = (ours[index], theirs[index])
      if a == b || (a.isNaN && b.isNaN) { continue }
      let limit = tolerance * max(largest, abs(b))
      #expect(abs(a - b) <= limit, "\(label): element \(index) is \(a), not \(b)")
    }
  }
}
