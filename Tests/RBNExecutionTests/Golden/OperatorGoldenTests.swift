import RBNTensor
import Testing

@testable import RBNExecution
@testable import RBNFormats
@testable import RBNGraph

/// Every operator against PyTorch: the float64 reference, and the kernels of every instruction set.
@Suite struct OperatorGoldenTests {
  private static let cases = Result { try OperatorCase.all("ops") }

  /// Operators that cancel or add up many terms, whose error is measured in units of the largest result.
  private static let accumulating: Set<String> = [
    "conv1d", "conv2d", "convolution", "batch_norm", "_native_batch_norm_legit_no_training", "linear",
    "addmm", "mm", "matmul", "bmm", "mean", "sum", "avg_pool2d", "adaptive_avg_pool2d",
    "_adaptive_avg_pool2d", "softmax", "_softmax", "layer_norm", "native_layer_norm", "group_norm",
    "native_group_norm", "instance_norm", "var", "std", "conv_transpose2d", "upsample_bilinear2d",
    "upsample_nearest2d", "gelu", "_log_softmax", "log_softmax", "add", "add_", "sub", "sub_", "rsub",
    "scaled_dot_product_attention", "avg_pool1d", "adaptive_avg_pool1d",
  ]

  @Test func everyOperatorOfTheFixturesIsKnown() throws {
    let (known, unknown) = try Self.cases.get()
    #expect(known.count > 210)
    // Reported by name where it occurs in a network.
    #expect(unknown.isSubset(of: ["aten.leaky_relu.default"]), "\(unknown)")
  }

  @Test(arguments: try cases.get().known) func theReferenceIsTheTruth(_ test: OperatorCase) throws {
    let graph = try ExportedProgramImporter.graph(from: test.program)
    let result = try ReferenceExecutor(graph: graph).run(test.inputs)[0]
    let truth = test.truths.first ?? test.outputs[0]
    try #require(result.shape == truth.shape)
    let largest = truth.doubles.reduce(0) { $1.isFinite ? max($0, abs($1)) : $0 }
    for (index, (ours, theirs)) in zip(result.doubles, truth.doubles).enumerated() {
      guard theirs.isFinite else {
        #expect(Self.agree(ours, theirs), "element \(index) is \(ours), not \(theirs)")
        continue
      }
      // float64 on both sides: a few roundings, of the element or of the terms it is a sum of.
      let scale = Self.accumulates(test) ? largest : abs(theirs)
      #expect(abs(ours - theirs) <= 1e-13 * scale, "element \(index) is \(ours), not \(theirs)")
    }
  }

  @Test(arguments: try cases.get().known) func everyKernelIsCloseToTheTruth(_ test: OperatorCase) throws {
    let graph = try ExportedProgramImporter.graph(from: test.program)
    for instructionSet in InstructionSet.available {
      for disabled in [[], PassPipeline.names] {
        var options = ExecutionOptions()
        options.instructionSet = instructionSet
        options.disabledPasses = Set(disabled)
        let result = try NetworkExecutor(graph: graph, options: options).run(test.inputs)[0]
        try #require(result.shape == test.outputs[0].shape)
        check(result, test, "\(instructionSet), \(disabled.isEmpty ? "fused" : "unfused")")
      }
    }
  }

  private func check(_ result: Tensor, _ test: OperatorCase, _ label: String) {
    guard let truth = test.truths.first else {
      // Moved, not computed: the very numbers.
      #expect(result.floats.map(\.bitPattern) == test.outputs[0].floats.map(\.bitPattern), "\(label)")
      return
    }
    let (ours, pytorch, exact) = (result.doubles, test.outputs[0].doubles, truth.doubles)
    let finite = exact.indices.filter { exact[$0].isFinite && pytorch[$0].isFinite }
    let largest = finite.reduce(0) { max($0, abs(exact[$1])) }
    let theirs = finite.reduce(0) { max($0, abs(pytorch[$1] - exact[$1])) }
    for index in exact.indices {
      guard exact[index].isFinite, pytorch[index].isFinite else {
        #expect(Self.agree(ours[index], pytorch[index]), "\(label): element \(index) is \(ours[index])")
        continue
      }
      // Twice PyTorch's own error, or that of four roundings where it had luck: of the largest result for sums, of
      // the element itself for functions of one element.
      let roundings = 2 * Double(Float.ulpOfOne)
      let limit =
        Self.accumulates(test)
        ? max(2 * theirs, roundings * largest)
        : max(2 * abs(pytorch[index] - exact[index]), roundings * abs(exact[index]), 1e-44)
      #expect(
        abs(ours[index] - exact[index]) <= limit,
        "\(label): element \(index) is \(ours[index]), not \(exact[index]) within \(limit)")
    }
  }

  private static func accumulates(_ test: OperatorCase) -> Bool {
    accumulating.contains(test.target.split(separator: ".")[1].description)
  }

  /// NaN is NaN; infinities have their sign.
  private static func agree(_ a: Double, _ b: Double) -> Bool { a == b || (a.isNaN && b.isNaN) }
}
