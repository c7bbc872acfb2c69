import RBNGraph
import RBNTensor
import Testing

@testable import RBNExecution
@testable import RBNFormats

/// Residual, dense and inverted-residual blocks as `torch.export` writes them, against PyTorch's whole tensors.
@Suite struct BlockGoldenTests {
  struct Program: CustomTestStringConvertible {
    var file: String
    var golden: String
    var testDescription: String { file }

    static func all() throws -> [Program] {
      try GoldenFixtures.json("blocks/blocks.json").member("blocks").elements().flatMap { block in
        let golden = try block.member("golden").string()
        return try block.member("programs").list { Program(file: try $0.string(), golden: golden) }
      }
    }

    /// The graph, its input and what PyTorch gives for it.
    func read() throws -> (graph: Graph, input: Tensor, output: Tensor) {
      let tensors = try GoldenFixtures.tensors("blocks/" + golden)
      let program = try ExportedProgram(contentsOf: GoldenFixtures.path("blocks/" + file))
      func only(_ folder: String) throws -> Tensor {
        let found = tensors.filter { $0.key.hasPrefix(folder) }
        try #require(found.count == 1)
        return try #require(found.first).value
      }
      return (try ExportedProgramImporter.graph(from: program), try only("inputs/"), try only("outputs/"))
    }
  }

  /// Rounding of float32 over a handful of layers, of the largest value. PyTorch's own is of this size, and a wrong
  /// coefficient gives thousands of times as much.
  private static let tolerance = 3e-6

  @Test func thereAreBlocksOfEveryKind() throws {
    let names = Set(try Program.all().map(\.file))
    #expect(names.count >= 35)
    for name in [
      "basic", "bottleneck", "bottleneck-downsample", "pre-activation-in-place", "dense-in-place",
      "inverted-residual", "shared-norm", "siblings-in-place-decomposed", "spelling-closed-form-decomposed",
    ] {
      #expect(names.contains(name + ".pt2"))
    }
  }

  @Test(arguments: try Program.all()) func theReferenceIsPyTorch(_ program: Program) throws {
    let (graph, input, output) = try program.read()
    let result = try ReferenceExecutor(graph: graph).run([input])[0]
    #expect(largestDifference(result, output) <= Self.tolerance * largestMagnitude(output))
  }

  @Test(arguments: try Program.all()) func everyConfigurationIsPyTorch(_ program: Program) throws {
    let (graph, input, output) = try program.read()
    let largest = largestMagnitude(output)
    for instructionSet in InstructionSet.available {
      for disabled in [[], PassPipeline.names] + PassPipeline.names.map({ [$0] }) {
        var options = ExecutionOptions()
        options.instructionSet = instructionSet
        options.disabledPasses = Set(disabled)
        let result = try NetworkExecutor(graph: graph, options: options).run([input])[0]
        #expect(
          largestDifference(result, output) <= Self.tolerance * largest,
          "\(instructionSet) without \(disabled)")
      }
    }
  }
}
