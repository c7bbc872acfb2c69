import RBNExecution
import RBNGraph

/// When the parts of some calls began and ended.
public struct CallProfile: Sendable {
  /// A part of a call: the copy of the inputs, a step that runs something, or the copy of the outputs.
  struct Part: Sendable {
    var module: String
    var op: String
    var contains: [LayerTiming.Operation]
    var kernel: String
    var outputShape: [Int]
    var operationCount: Int
  }

  /// In the order of the execution.
  let parts: [Part]
  /// For each call the start, and the end of each part, since the first call's start.
  private(set) var calls: [[Duration]] = []

  /// Runs calls one after another on this thread, noting the time after each part.
  init(_ executor: NetworkExecutor, _ inputs: [Tensor], calls count: Int, isCancelled: () -> Bool) throws {
    let plan = try executor.plan(for: inputs.map(\.shape))
    // Aliases end where they begin; they are left out.
    let runs = [true] + plan.steps.map { !$0.isAlias } + [true]
    parts = try Self.parts(executor, plan)
    let clock = ContinuousClock()
    let start = clock.now
    var marks: [ContinuousClock.Instant] = []
    marks.reserveCapacity(runs.count + 1)
    for _ in 0..<max(count, 0) {
      marks.removeAll(keepingCapacity: true)
      marks.append(clock.now)
      _ = try executor.run(inputs, isCancelled: isCancelled, didFinishPart: { marks.append(clock.now) })
      guard marks.count == runs.count + 1 else { continue }
      calls.append([marks[0] - start] + zip(marks.dropFirst(), runs).filter { $0.1 }.map { $0.0 - start })
    }
  }

  private static func parts(_ executor: NetworkExecutor, _ plan: ExecutionPlan) throws -> [Part] {
    let source = executor.sourceGraph
    let types = try source.inferTypes(inputShapes: plan.inputShapes)
    let contents = executor.sourceNodes()
    func copy(_ module: String, _ shape: Shape?) -> Part {
      Part(
        module: module, op: "copy", contains: [], kernel: "strided copy",
        outputShape: shape?.dimensions ?? [],
        operationCount: 0)
    }
    let steps = zip(plan.steps, contents).compactMap { step, contents -> Part? in
      guard !step.isAlias else { return nil }
      let nodes = contents.map { source.nodes[$0] }
      let multiplyAdds = nodes.reduce(0) { sum, node in
        guard let shape = node.outputs.first.flatMap({ types[$0.index]?.shape }) else { return sum }
        return source.multiplyAdds(node, output: shape).saturatingAdd(sum)
      }
      return Part(
        module: step.module.description, op: step.op.name,
        contains: nodes.map { LayerTiming.Operation(module: $0.module.description, op: $0.op.name) },
        kernel: step.compiled.kernel, outputShape: step.output.shape.dimensions,
        operationCount: multiplyAdds.saturatingAdd(multiplyAdds))
    }
    return [copy("(inputs)", plan.inputShapes.first)] + steps
      + [copy("(outputs)", plan.outputs.first?.shape)]
  }

  /// Of one call; see ``BenchmarkReport``.
  var operationCount: Int { parts.reduce(0) { $0.saturatingAdd($1.operationCount) } }

  /// For each part its median time over the calls, and what follows from it.
  public var layers: [LayerTiming] {
    let medians = parts.indices.map { index -> Double in
      LatencySummary(calls.map { $0[index + 1] - $0[index] })?.median ?? 0
    }
    let total = medians.reduce(0, +)
    return zip(parts, medians).map { part, time in
      LayerTiming(
        module: part.module.isEmpty ? "(network)" : part.module, op: part.op, contains: part.contains,
        kernel: part.kernel, outputShape: part.outputShape, time: time, share: total > 0 ? time / total : 0,
        operationCount: part.operationCount,
        gigaflops: time > 0 ? Double(part.operationCount) / time / 1e6 : 0)
    }
  }
}

extension Int {
  /// The sum, or the largest number where it would be larger.
  func saturatingAdd(_ other: Int) -> Int {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
