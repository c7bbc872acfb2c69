import Foundation
import RBNGraph
import RBNTensor
import Testing

@testable import RBNExecution

@Suite struct ElementwiseKernelTests {
  static let counts = [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 4095, 4096, 4097, 9001]

  private func onEach(_ body: (Elementwise, String) throws -> Void) rethrows {
    for set in InstructionSet.available {
      for threads in [1, 3] {
        try body(
          Elementwise(table: .table(for: set), pool: ThreadPool(threads: threads)),
          "\(set), \(threads) threads")
      }
    }
  }

  private func unary(_ f: Activation, _ x: [Float], _ e: Elementwise) throws -> [Float] {
    let (input, out) = (try GuardedFloats(x), try GuardedFloats(x.count))
    e.unary(f, input.start, out.start, count: x.count)
    #expect(out.isGuardIntact)
    return withExtendedLifetime(input) { out.values }
  }

  /// Each function in double precision, and its kernel's error: relative, in ulps, plus an absolute part.
  static let functions:
    [(f: Activation, exact: @Sendable (Double) -> Double, ulps: Double, absolute: Double)] = [
      (.relu, { max($0, 0) }, 0, 0),
      (.clamp(min: -1.5, max: 2), { min(max($0, -1.5), 2) }, 0, 0),
      // x + 3 is rounded: half an ulp of 3, which x / 6 passes on.
      (.hardsigmoid, { min(max($0 + 3, 0), 6) / 6 }, 2, 1e-7),
      (.hardswish, { $0 * min(max($0 + 3, 0), 6) / 6 }, 3, 6e-7),
      (.sigmoid, { 1 / (1 + exp(-$0)) }, 2, 1e-38),
      (.silu, { $0 / (1 + exp(-$0)) }, 2, 1e-38),
      (.gelu, { 0.5 * $0 * (1 + erf($0 / 2.squareRoot())) }, 3, 4e-7),
      (
        .geluTanh, { 0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) },
        3, 6e-7
      ),
      (.exp, { exp($0) }, 2, 1.5e-45),
      (.tanh, { tanh($0) }, 3, 0),
      (.neg, { -$0 }, 0, 0), (.abs, { abs($0) }, 0, 0), (.reciprocal, { 1 / $0 }, 0.5, 1e-45),
    ]

  @Test(arguments: functions.indices)
  func unaryAgreesWithDoublePrecision(_ index: Int) throws {
    let (f, exact, ulps, absolute) = Self.functions[index]
    var numbers = Numbers(seed: index)
    // Every magnitude from the smallest to where exp overflows, and the neighbourhood of 0.
    let x =
      numbers.floats(3000).map { $0 * 87 } + numbers.floats(3000).map { $0 * 4 }
      + numbers.floats(3001).map { $0 * 0.01 }
    let expected = x.map { exact(Double($0)) }
    let bounds = expected.map { ulps * epsilon * abs($0) + absolute + 1e-300 }
    try onEach { e, label in expectClose(try unary(f, x, e), expected, within: bounds, "\(f), \(label)") }
  }

  @Test func rootsAgreeWithDoublePrecision() throws {
    var numbers = Numbers(seed: 99)
    let x = numbers.floats(1003).map { abs($0) * 100 + 1e-20 }
    try onEach { e, label in
      #expect(try unary(.sqrt, x, e) == x.map { $0.squareRoot() }, "\(label)")
      let expected = x.map { 1 / Double($0).squareRoot() }
      expectClose(try unary(.rsqrt, x, e), expected, within: expected.map { 1.5 * epsilon * $0 }, label)
    }
  }

  @Test func specialValues() throws {
    let x: [Float] = [.nan, .infinity, -.infinity, 0, -0.0, 3, -200, 200, -88.5, -100]
    try onEach { e, label in
      for (f, _, _, _) in Self.functions {
        let y = try unary(f, x, e)
        #expect(y[0].isNaN, "\(f)(NaN) is \(y[0]), \(label)")
      }
      #expect(Array(try unary(.relu, x, e)[1...7]) == [.infinity, 0, 0, 0, 3, 0, 200])
      #expect(Array(try unary(.relu6, x, e)[1...7]) == [6, 0, 0, 0, 3, 0, 6])
      let powers = try unary(.exp, x, e)
      #expect(Array(powers[1...4]) == [.infinity, 0, 1, 1] && powers[6] == 0 && powers[7] == .infinity)
      // Subnormal results.
      #expect(abs(Double(powers[8]) - exp(-88.5)) < 3e-45 && abs(Double(powers[9]) - exp(-100)) < 3e-45)
      #expect(Array(try unary(.sigmoid, x, e)[1...4]) == [1, 0, 0.5, 0.5])
      #expect(Array(try unary(.tanh, x, e)[1...4]) == [1, -1, 0, 0])
      let silu = try unary(.silu, x, e)
      // As in PyTorch: -inf / inf.
      #expect(silu[1] == .infinity && silu[2].isNaN && silu[3] == 0)
      #expect(try unary(.identity, x, e).map(\.bitPattern) == x.map(\.bitPattern))
    }
  }

  @Test(arguments: counts)
  func binaryOfEqualShapesAndScalars(_ count: Int) throws {
    var numbers = Numbers(seed: count)
    let (a, b) = (numbers.floats(count), numbers.floats(count))
    let (x, y) = (try GuardedFloats(a), try GuardedFloats(b))
    let exact: [(Elementwise.Operation, (Float, Float) -> Float)] = [
      (.add, +), (.sub, -), (.mul, *), (.div, /), (.maximum, max), (.minimum, min),
    ]
    try onEach { e, label in
      for (f, apply) in exact {
        let out = try GuardedFloats(count)
        e.binary(f, x.start, y.start, out.start, count: count)
        #expect(out.isGuardIntact && out.values == zip(a, b).map(apply), "\(f), \(label)")
        e.binary(f, x.start, scalar: 0.7, out.start, count: count)
        #expect(out.values == a.map { apply($0, 0.7) }, "\(f) scalar, \(label)")
        e.binary(f, x.start, scalar: 0.7, scalarIsFirst: true, out.start, count: count)
        #expect(out.isGuardIntact && out.values == a.map { apply(0.7, $0) }, "scalar \(f), \(label)")
      }
    }
  }

  @Test(arguments: [1, 3, 15, 16, 17, 33, 64, 5000])
  func binaryWithARow(_ channels: Int) throws {
    var numbers = Numbers(seed: channels)
    let (batch, pixels) = (2, 7)
    let a = numbers.floats(batch * pixels * channels), b = numbers.floats(batch * channels)
    let (x, y) = (try GuardedFloats(a), try GuardedFloats(b))
    let exact: [(Elementwise.Operation, (Float, Float) -> Float)] = [
      (.add, +), (.sub, -), (.mul, *), (.div, /), (.maximum, max), (.minimum, min),
    ]
    try onEach { e, label in
      for (f, apply) in exact {
        for isPerInstance in [false, true] {
          for rowIsFirst in [false, true] {
            let out = try GuardedFloats(a.count)
            e.binary(
              f, x.start, row: y.start, isPerInstance: isPerInstance, rowIsFirst: rowIsFirst, out.start,
              batch: batch, pixels: pixels, channels: channels)
            let expected = a.indices.map { i in
              let n = isPerInstance ? i / (pixels * channels) : 0
              let row = b[n * channels + i % channels]
              return rowIsFirst ? apply(row, a[i]) : apply(a[i], row)
            }
            #expect(
              out.isGuardIntact && out.values == expected, "\(f) \(isPerInstance) \(rowIsFirst), \(label)")
          }
        }
      }
    }
  }

  @Test(arguments: [1, 5, 15, 16, 17, 64, 65, 4097], [1, 9, 100])
  func instanceAffine(_ channels: Int, _ pixels: Int) throws {
    var numbers = Numbers(seed: channels + pixels)
    let batch = channels > 1000 ? 1 : 2
    let x = numbers.floats(batch * pixels * channels), r = numbers.floats(batch * pixels * channels)
    let scale = numbers.floats(batch * channels), shift = numbers.floats(batch * channels)
    let inputs = [
      try GuardedFloats(x), try GuardedFloats(r), try GuardedFloats(scale), try GuardedFloats(shift),
    ]
    let expected = x.indices.map { i in
      let n = i / (pixels * channels) * channels + i % channels
      return Double(x[i]) * Double(scale[n]) + Double(shift[n]) + Double(r[i])
    }
    try onEach { e, label in
      let out = try GuardedFloats(x.count)
      e.instanceAffine(
        inputs[0].start, scale: inputs[2].start, shift: inputs[3].start, residual: inputs[1].start,
        activation: .relu, out.start, batch: batch, pixels: pixels, channels: channels)
      #expect(out.isGuardIntact)
      expectClose(
        out.values, expected.map { max($0, 0) }, within: expected.map { _ in 3 * epsilon }, label)
      e.instanceAffine(
        inputs[0].start, scale: inputs[2].start, shift: inputs[3].start, activation: .sigmoid, out.start,
        batch: batch, pixels: pixels, channels: channels)
      expectClose(
        out.values, x.indices.map { 1 / (1 + exp(Double(r[$0]) - expected[$0])) },
        within: expected.map { _ in 3 * epsilon }, label)
    }
  }
}
