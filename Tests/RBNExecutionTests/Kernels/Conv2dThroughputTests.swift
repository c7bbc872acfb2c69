import Foundation
import RBNTensor
import Testing

@testable import RBNExecution

/// Measures the convolutions of ResNet-50; only on request, with RBN_MEASURE set.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["RBN_MEASURE"] != nil, "set RBN_MEASURE to measure"))
struct Conv2dThroughputTests {
  struct Layer: Hashable {
    var (cin, cout, kernel, stride, size) = (0, 0, 0, 0, 0)
  }

  static let resNet50: [(layer: Layer, count: Int)] = {
    var counts: [Layer: Int] = [:]
    var order: [Layer] = []
    func add(_ cin: Int, _ cout: Int, _ kernel: Int, _ stride: Int, _ size: Int) {
      let layer = Layer(cin: cin, cout: cout, kernel: kernel, stride: stride, size: size)
      if counts[layer] == nil { order.append(layer) }
      counts[layer, default: 0] += 1
    }
    add(3, 64, 7, 2, 224)
    var (cin, size) = (64, 56)
    for (stage, blocks) in [3, 4, 6, 3].enumerated() {
      let width = 64 << stage
      for block in 0..<blocks {
        let stride = block == 0 && stage > 0 ? 2 : 1
        add(cin, width, 1, 1, size)
        add(width, width, 3, stride, size)
        if block == 0 { add(cin, width * 4, 1, stride, size) }
        size /= stride
        add(width, width * 4, 1, 1, size)
        cin = width * 4
      }
    }
    return order.map { ($0, counts[$0] ?? 0) }
  }()

  @Test func resNet50() throws {
    let environment = ProcessInfo.processInfo.environment
    let threads = environment["RBN_THREADS"].flatMap { Int($0) } ?? ThreadPool.shared.threads
    let table = KernelTable.table(for: environment["RBN_SET"].flatMap(InstructionSet.init) ?? .best)
    let clock = ContinuousClock()
    var (totalTime, totalWork) = (0.0, 0.0)
    for (layer, count) in Self.resNet50 {
      let c = Conv2dCase(
        layer.cin, layer.cout, kernel: .init(layer.kernel), stride: .init(layer.stride),
        padding: .init(layer.kernel / 2), height: layer.size, width: layer.size)
      let data = try c.data()
      let conv = try c.packed(data, table)
      let out = try GuardedFloats(data.outputCount)
      let bytes = try conv.scratchByteCount(batch: 1, height: layer.size, width: layer.size, threads: threads)
      var times: [Double] = []
      try withScratch(bytes) { scratch in
        for _ in 0..<15 {
          let time = try clock.measure {
            try conv.run(
              input: data.x, batch: 1, height: layer.size, width: layer.size, output: out.start,
              epilogue: Conv2dEpilogue(activation: .relu), scratch: scratch,
              pool: ThreadPool(threads: threads))
          }
          times.append(Double(time.components.attoseconds) / 1e18)
        }
      }
      let work = 2 * Double(data.outputCount) * Double(layer.cin * layer.kernel * layer.kernel)
      let best = try #require(times.min()), median = times.sorted()[times.count / 2]
      totalTime += best * Double(count)
      totalWork += work * Double(count)
      print(
        "\(layer.cin)→\(layer.cout) k\(layer.kernel) s\(layer.stride) \(layer.size)² ×\(count):",
        String(format: "%.3f ms (median %.3f), %.1f GFLOP/s", best * 1e3, median * 1e3, work / best / 1e9))
    }
    print(String(format: "total %.2f ms, %.1f GFLOP/s", totalTime * 1e3, totalWork / totalTime / 1e9))
    #expect(totalTime > 0)
  }
}
