import RBNGraph
import RBNTensor
import Testing

@testable import RBNExecution
@testable import RBNFormats

/// A variant of the layer, from `fixtures/rbn-layer`: PyTorch's float32 result and the float64 truth.
struct RBNVariant: CustomTestStringConvertible {
  var name: String
  var isPlain: Bool
  var eps: Double
  var residual: String
  var state: [String: Tensor]
  var input: Tensor
  var truth: Tensor
  var pytorch: Tensor

  var testDescription: String { name }

  static func all() throws -> [RBNVariant] {
    try GoldenFixtures.json("rbn-layer/variants.json").member("variants").list { node in
      let tensors = try GoldenFixtures.tensors("rbn-layer/" + node.member("file").string())
      let state = tensors.filter { $0.key.hasPrefix("state/") && !$0.key.hasSuffix("num_batches_tracked") }
      return RBNVariant(
        name: try node.member("name").string(),
        isPlain: try node.member("layer").string() == "batch_norm",
        eps: try node.member("eps").double(), residual: try node.member("residual").string(),
        state: Dictionary(uniqueKeysWithValues: state.map { (String($0.key.dropFirst(6)), $0.value) }),
        input: try #require(tensors["input"]), truth: try #require(tensors["truth"]),
        pytorch: try #require(tensors["pytorch"]))
    }
  }

  /// How a network may have the layer.
  enum Spelling: CaseIterable {
    /// As one operator, as from a checkpoint.
    case layer
    /// As the chain of operations that `torch.export` shows.
    case exported
  }

  /// The layer, with the second reader of its input where the variant has one.
  func graph(_ spelling: Spelling) throws -> Graph {
    var graph = Graph()
    let x = graph.addInput("x", shape: input.shape.map { $0 }, exampleShape: input.shape)
    for (key, tensor) in state { graph.parameters[key] = tensor }
    let module = ModuleCall("norm")
    func parameter(_ key: String) -> Graph.ValueID? { state[key] == nil ? nil : graph.parameter(key) }
    func append(_ op: any Operator, _ inputs: [Graph.ValueID?]) -> Graph.ValueID {
      graph.append(op, inputs, module: module)
    }

    /// What the published module leaves in the place of its input.
    func centred() -> Graph.ValueID {
      guard let weight = parameter("center_weight") else { return x }
      let mean = append(AdaptiveAvgPool2d(), [x])
      return append(Binary(.add), [x, append(Binary(.mul), [mean, weight])])
    }
    func chain(_ trunk: Graph.ValueID) -> Graph.ValueID {
      let statistics = [parameter("running_mean"), parameter("running_var")]
      var y = append(BatchNorm(eps: eps), [trunk, nil, nil] + statistics)
      if let weight = parameter("scale_weight"), let bias = parameter("scale_bias") {
        let mean = append(AdaptiveAvgPool2d(), [y])
        let shifted = append(Binary(.add), [append(Binary(.mul), [weight, mean]), bias])
        y = append(Binary(.mul), [y, append(Unary(.sigmoid), [shifted])])
      }
      if let weight = parameter("weight") { y = append(Binary(.mul), [y, weight]) }
      if let bias = parameter("bias") { y = append(Binary(.add), [y, bias]) }
      return y
    }

    let trunk = residual == "after" || spelling == .exported ? centred() : x
    let output: Graph.ValueID
    if isPlain {
      let names = ["weight", "bias", "running_mean", "running_var"]
      output = append(BatchNorm(eps: eps), [x] + names.map(parameter))
    } else if spelling == .layer {
      output = append(
        RepresentativeBatchNorm(eps: eps), [x] + RepresentativeBatchNorm.parameterNames.map(parameter))
    } else {
      output = chain(trunk)
    }
    let result =
      switch residual {
      case "after": append(Binary(.add), [output, trunk])
      case "before": append(Binary(.add), [output, x])
      default: output
      }
    graph.outputs = [.init(name: "output", value: result)]
    return graph
  }

  /// Whether the arithmetic of the exported spelling can be run on this state: its parameters broadcast.
  var canBeSpelledOut: Bool { isPlain || name != "parameters-as-vectors" }
}

@Suite struct RBNLayerGoldenTests {
  /// Half the spacing of float32 numbers near the result: the error of rounding the exact result once. Where PyTorch's
  /// own error happens to be smaller than that of two roundings, those are allowed.
  private static let rounding = Double(Float.ulpOfOne) / 2

  @Test func thereAreAllVariants() throws {
    let names = Set(try RBNVariant.all().map(\.name))
    #expect(names.count >= 37)
    #expect(
      names.isSuperset(of: [
        "full", "no-affine", "centering-only", "scaling-only", "batch-statistics", "parameters-as-vectors",
        "in-place-trap", "eps-1e-3", "plain-batch-norm", "one-pixel", "large-mean",
      ]))
  }

  @Test(arguments: try RBNVariant.all()) func theReferenceIsTheTruth(variant: RBNVariant) throws {
    for spelling in RBNVariant.Spelling.allCases where spelling == .layer || variant.canBeSpelledOut {
      let output = try ReferenceExecutor(graph: variant.graph(spelling)).run([variant.input])[0]
      let largest = largestMagnitude(variant.truth)
      // float64 has 29 bits more than float32; cancellation of a mean of 4000 takes some of them.
      #expect(largestDifference(output, variant.truth) <= 1e-10 * largest, "\(spelling)")
    }
  }

  /// On every instruction set, fused and unfused, in both spellings: the error against the float64 truth is at most
  /// twice that of PyTorch in float32. Prints both.
  @Test func theErrorIsAtMostTwiceThatOfPyTorch() throws {
    print(GoldenFixtures.row("RBN layer: error against float64") + "   PyTorch      ours")
    for variant in try RBNVariant.all() {
      let theirs = largestDifference(variant.pytorch, variant.truth)
      #expect(theirs.isFinite)
      let limit = max(2 * theirs, 2 * Self.rounding * largestMagnitude(variant.truth))
      var worst = 0.0
      for spelling in RBNVariant.Spelling.allCases where spelling == .layer || variant.canBeSpelledOut {
        for instructionSet in InstructionSet.available {
          for disabled in [[], PassPipeline.names] {
            var options = ExecutionOptions()
            options.instructionSet = instructionSet
            options.disabledPasses = Set(disabled)
            let executor = try NetworkExecutor(graph: variant.graph(spelling), options: options)
            let ours = largestDifference(try executor.run([variant.input])[0], variant.truth)
            // Unfused, the exported spelling rounds as often as PyTorch does.
            worst = max(worst, ours)
            #expect(ours <= limit, "\(variant.name) \(spelling) on \(instructionSet) without \(disabled)")
          }
        }
      }
      print(GoldenFixtures.row("  " + variant.name, theirs, worst))
    }
  }
}
