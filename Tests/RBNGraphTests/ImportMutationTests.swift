import Foundation
import RBNTensor
import Testing

@testable import RBNFormats
@testable import RBNGraph

@Suite struct ImportMutationTests {
  private func document(_ name: String) throws -> (model: JSONValue, program: ExportedProgram) {
    let path = Fixtures.blocks.appending(path: name).path
    let archive = try ZipArchive(contentsOf: path)
    let entry = try #require(archive.entries.first { $0.name.hasSuffix("models/model.json") })
    let bytes = try archive.readBytes(named: entry.name, limit: 1 << 24)
    return (
      try JSONValue.parse(bytes, document: "model.json"), try ExportedProgram(contentsOf: path)
    )
  }

  /// Any change of a program gives a graph or an error, and nothing else.
  @Test(arguments: 0..<8) func mutatedProgramsNeverCrash(_ seed: UInt64) throws {
    let names = Fixtures.programs()
    let (model, program) = try document(names[Int(seed) * 5 % names.count])
    var random = SplitMix(state: seed)
    var outcomes = (imported: 0, refused: 0)
    for _ in 0..<60 {
      do {
        // The graph alone is changed: the signature and the weights stay, so that most changes reach the importer.
        var changed = model
        for _ in 0..<3 { changed = changed.mutatingNodes(&random) }
        var mutant = try ExportedProgram(JSONNode(changed, document: "model.json"))
        (mutant.weights, mutant.constants) = (program.weights, program.constants)
        _ = try ExportedProgramImporter.graph(from: mutant)
        outcomes.imported += 1
      } catch is RBNError {
        outcomes.refused += 1
      }
    }
    #expect(outcomes.imported + outcomes.refused == 60)
    #expect(outcomes.refused > 0)
  }
}

extension JSONValue {
  /// The program with one of its nodes' arguments or a recorded shape changed.
  fileprivate func mutatingNodes(_ random: inout SplitMix) -> JSONValue {
    guard case .object(var root) = self, case .object(var module)? = root["graph_module"],
      case .object(var graph)? = module["graph"]
    else { return self }
    let key = Int.random(in: 0..<6, using: &random) == 0 ? "tensor_values" : "nodes"
    guard let value = graph[key] else { return self }
    graph[key] = value.mutated(&random)
    module["graph"] = .object(graph)
    root["graph_module"] = .object(module)
    return .object(root)
  }
}
