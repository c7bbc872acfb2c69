import RBNGraph

@testable import RBNRuntime

extension Model {
  /// A model of a graph that no file holds.
  init(_ graph: Graph) throws {
    let file = NetworkFile(path: "graph", format: .bundle, graph: graph, stateDict: [])
    try self.init(file, ModelOptions().execution())
  }
}
