import RBNGraph
import RBNTensor

/// The passes between a graph as it was written and the graph that runs, in order.
package enum PassPipeline {
  package static let passes: [any GraphPass.Type] = [
    EliminateIdentities.self, FoldConstants.self, FoldPadding.self, RecognizeChannelShuffle.self,
    RecognizeActivations.self, RecognizeInstanceAffine.self, FoldChannelAffine.self, FuseInstanceAffine.self,
    FuseEpilogues.self,
  ]

  /// The passes before the one that recognises RBN.
  private static var preparations: ArraySlice<any GraphPass.Type> {
    passes.prefix { $0.name != RecognizeInstanceAffine.name }
  }

  /// What looks like Representative BatchNorm in a graph as it was written, and is not recognised.
  package static func nearMisses(in graph: Graph) throws -> [CalibrationNearMiss] {
    var graph = graph
    for pass in preparations { try pass.run(&graph) }
    return try CalibrationNearMiss.all(in: graph)
  }

  package static var names: [String] { passes.map { $0.name } }

  /// Runs every pass that is not disabled.
  ///
  /// - Throws: `execution.unknown-pass` when a name to disable is not a pass.
  package static func run(_ graph: inout Graph, disabled: Set<String> = []) throws {
    if let unknown = disabled.subtracting(names).sorted().first {
      throw RBNError(
        .unknownPass, .usage, "there is no pass named \(unknown)",
        advice: "the passes are \(names.joined(separator: ", "))")
    }
    for pass in passes where !disabled.contains(pass.name) { try pass.run(&graph) }
  }
}

extension RBNError.Code {
  /// The name of a pass that does not exist.
  package static let unknownPass = Self("execution.unknown-pass")
}
