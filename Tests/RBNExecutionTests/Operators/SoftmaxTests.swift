import RBNTensor
import Testing

@testable import RBNExecution
@testable import RBNGraph

@Suite struct SoftmaxTests {
  /// A line of nothing but −∞ is NaN, and zeros where it is asked to be safe, whether the lines lie densely or not.
  @Test(arguments: [false, true], [0, 1]) func linesOfMinusInfinity(isSafe: Bool, dim: Int) throws {
    var graph = Graph()
    let x = graph.addInput("x", shape: [3, 3], exampleShape: [3, 3])
    let y = graph.append(Softmax(dim: dim, isSafe: isSafe), [x], module: ModuleCall(""))
    graph.outputs = [Graph.Output(name: "y", value: y)]
    let hidden = -Float.infinity
    // The middle row and the middle column.
    let input = try Tensor(
      shape: [3, 3], scalars: [1, hidden, 2, hidden, hidden, hidden, 3, hidden, hidden])
    let truth = try ReferenceExecutor(graph: graph).run([input])[0].doubles
    for instructionSet in InstructionSet.available {
      var options = ExecutionOptions()
      options.instructionSet = instructionSet
      let result = try NetworkExecutor(graph: graph, options: options).run([input])[0].doubles
      for index in truth.indices {
        let (ours, theirs) = (result[index], truth[index])
        guard (dim == 0 ? index % 3 : index / 3) == 1 else {
          #expect(abs(ours - theirs) < 1e-6, "\(instructionSet), element \(index)")
          continue
        }
        let isRight = isSafe ? ours == 0 && theirs == 0 : ours.isNaN && theirs.isNaN
        #expect(isRight, "\(instructionSet), element \(index): \(ours), \(theirs)")
      }
    }
  }
}
