import Foundation
import RBNTensor
import Testing

@testable import RBNExecution

@Suite struct Conv2dKernelTests {
  /// A sum of K products, each a rounding, and the bias: K + 2 roundings at most of numbers below Σ|x·w|.
  private func bounds(_ reference: Conv2dReference, _ p: Conv2dParameters) -> [Double] {
    reference.magnitudes.map { epsilon * Double(p.taps * p.groupInputs + 2) * $0 + 1e-37 }
  }

  @Test(arguments: Conv2dCase.all)
  func agreesWithTheReference(_ c: Conv2dCase) throws {
    let data = try c.data()
    let reference = try Conv2dReference(
      x: data.x, batch: c.batch, height: c.height, width: c.width, weight: data.weight, bias: data.bias, c.p)
    for set in InstructionSet.available {
      let conv = try c.packed(data, .table(for: set))
      let single = try c.run(conv, data, threads: 1)
      expectClose(single, reference.values, within: bounds(reference, c.p), "\(set)")
      for threads in [2, 5] {
        let several = try c.run(conv, data, threads: threads)
        #expect(several.map(\.bitPattern) == single.map(\.bitPattern), "\(set), \(threads) threads")
      }
    }
  }

  @Test(arguments: Conv2dCase.all.enumerated().filter { $0.offset % 3 == 0 }.map(\.element))
  func appliesTheEpilogueInOrder(_ c: Conv2dCase) throws {
    let data = try c.data()
    let reference = try Conv2dReference(
      x: data.x, batch: c.batch, height: c.height, width: c.width, weight: data.weight, bias: data.bias, c.p)
    let image = reference.outputHeight * reference.outputWidth * c.p.outChannels
    var expected: [Double] = []
    var tolerance = bounds(reference, c.p)
    for i in reference.values.indices {
      let n = i / image * c.p.outChannels + i % c.p.outChannels
      let v = reference.values[i] * Double(data.scale[n]) + Double(data.shift[n]) + Double(data.residual[i])
      tolerance[i] += epsilon * (abs(reference.values[i]) + 3)
      expected.append(min(max(v, -0.25), 0.75))
    }
    for set in InstructionSet.available {
      let conv = try c.packed(data, .table(for: set))
      let actual = try c.run(
        conv, data, threads: 2, activation: .clamp(min: -0.25, max: 0.75), residual: true, affine: true)
      expectClose(actual, expected, within: tolerance, "\(set)")
      let silu = try c.run(conv, data, threads: 2, activation: .silu, residual: true, affine: true)
      let plain = try c.run(conv, data, threads: 2, residual: true, affine: true)
      expectClose(
        silu, plain.map { Double($0) / (1 + exp(-Double($0))) },
        within: plain.map { epsilon * (4 * abs(Double($0)) + 1e-30) }, "silu, \(set)")
    }
  }

  @Test(arguments: Conv2dCase.all.enumerated().filter { $0.offset % 4 == 1 }.map(\.element))
  func collectsSums(_ c: Conv2dCase) throws {
    let data = try c.data()
    for set in InstructionSet.available {
      try expectSums(c, data, try c.packed(data, .table(for: set)), "\(set)")
    }
  }

  @Test func aBatchChangesNoImage() throws {
    let together = Conv2dCase(
      20, 70, kernel: .init(3), stride: .init(2), padding: .init(1), batch: 3, height: 7, width: 5)
    let alone = Conv2dCase(
      20, 70, kernel: .init(3), stride: .init(2), padding: .init(1), batch: 1, height: 7, width: 5)
    let data = try together.data()
    for set in InstructionSet.available {
      let conv = try together.packed(data, .table(for: set))
      let all = try together.run(conv, data, threads: 2)
      for n in 0..<3 {
        var one = data
        one.x = Array(data.x[n * 700..<(n + 1) * 700])
        one.outputCount = data.outputCount / 3
        let image = try alone.run(conv, one, threads: 2)
        #expect(image.map(\.bitPattern) == all[n * image.count..<(n + 1) * image.count].map(\.bitPattern))
      }
    }
  }

  @Test func keepsNaN() throws {
    let c = Conv2dCase(4, 70, kernel: .init(3), padding: .init(1), height: 5, width: 5)
    var data = try c.data()
    data.x[(2 * 5 + 2) * 4] = .nan
    for set in InstructionSet.available {
      let out = try c.run(try c.packed(data, .table(for: set)), data, threads: 1, activation: .relu)
      for i in out.indices {
        let (y, x) = (i / 70 / 5, i / 70 % 5)
        #expect(out[i].isNaN == ((1...3).contains(y) && (1...3).contains(x)), "\(set), element \(i)")
      }
    }
  }

  @Test func refusesWhatDoesNotFit() throws {
    let p = Conv2dParameters(inChannels: 4, outChannels: 6, kernel: .init(3), groups: 2)
    let weight = try Tensor.zeros([6, 2, 3, 3])
    let conv = try PackedConv2d(weight: weight, bias: nil, parameters: p, table: .best)
    #expect(throws: RBNError.self) { try conv.plan(Conv2dProblem(batch: 1, height: 2, width: 9, threads: 1)) }
    #expect(throws: RBNError.self) {
      try PackedConv2d(weight: Tensor.zeros([6, 4, 3, 3]), bias: nil, parameters: p, table: .best)
    }
    #expect(throws: RBNError.self) {
      try PackedConv2d(weight: weight, bias: Tensor.zeros([5]), parameters: p, table: .best)
    }
    var odd = p
    odd.groups = 3
    #expect(throws: RBNError.self) { try odd.validate() }
  }
}

/// Checks that sums are those of what is stored, epilogue included, and the same for all numbers of threads.
func expectSums(_ c: Conv2dCase, _ data: Conv2dCase.Data, _ conv: any Conv2dAlgorithm, _ label: String) throws
{
  func run(threads: Int, sums: UnsafeMutablePointer<Double>?) throws -> [Float] {
    try c.run(conv, data, threads: threads, activation: .relu, residual: true, affine: true, sums: sums)
  }
  let plain = try run(threads: 1, sums: nil)
  var first: [Double] = []
  for threads in [1, 3] {
    var sums = [Double](repeating: .nan, count: c.batch * c.p.outChannels)
    let out = try sums.withUnsafeMutableBufferPointer { try run(threads: threads, sums: $0.baseAddress) }
    #expect(out.map(\.bitPattern) == plain.map(\.bitPattern), "\(label)")
    if first.isEmpty { first = sums }
    #expect(sums.map(\.bitPattern) == first.map(\.bitPattern), "\(label), \(threads) threads")
  }
  var (expected, bound) = (first.map { _ in 0.0 }, first.map { _ in 0.0 })
  let image = plain.count / c.batch
  for i in plain.indices {
    let n = i / image * c.p.outChannels + i % c.p.outChannels
    expected[n] += Double(plain[i])
    // A row of sums is made of at most 64 outputs in single precision, 16 additions deep after those of a tile.
    bound[n] += 16 * epsilon * abs(Double(plain[i])) + 1e-37
  }
  for n in first.indices { #expect(abs(first[n] - expected[n]) <= bound[n], "\(label), sum \(n)") }
}
