import RBNTensor
import Testing

@testable import RBNGraph

@Suite struct UniqueNamesTests {
  @Test func takenNamesAreNumbered() {
    var names = UniqueNames()
    let given = ["a", "a.1", "a", "a", "b", "a.1"].map { name in names.claim(name) { "\(name).\($0)" } }
    #expect(given == ["a", "a.1", "a.2", "a.3", "b", "a.1.1"])
  }

  /// To count from the start each time would take hours.
  @Test func manyRepetitionsAreNumbered() {
    var names = UniqueNames()
    var last = ""
    for _ in 0...200_000 { last = names.claim("y") { "y.\($0)" } }
    #expect(last == "y.200000")
  }

  @Test func manyParametersOfOneKeyAreNumbered() throws {
    var graph = Graph()
    let tensor = try Tensor.zeros([1])
    var last = graph.addParameter(tensor, suggestedKey: "c")
    for _ in 0..<100_000 { last = graph.addParameter(tensor, suggestedKey: "c") }
    #expect(graph[last].name == "c.100001")
    #expect(graph.parameters.count == 100_001)
  }
}
