import RBNTensor
import Testing

@testable import RBNExecution

/// One convolution to test: parameters, an input size and its data.
struct Conv2dCase: CustomTestStringConvertible {
  var p: Conv2dParameters
  var batch: Int
  var height: Int
  var width: Int
  var hasBias: Bool

  init(
    _ inChannels: Int, _ outChannels: Int, kernel: Conv2dParameters.Axes = .init(1),
    stride: Conv2dParameters.Axes = .init(1), padding: Conv2dParameters.Axes = .init(0),
    paddingEnd: Conv2dParameters.Axes? = nil, dilation: Conv2dParameters.Axes = .init(1), groups: Int = 1,
    batch: Int = 1, height: Int, width: Int, hasBias: Bool = true
  ) {
    p = Conv2dParameters(
      inChannels: inChannels, outChannels: outChannels, kernel: kernel, stride: stride, padding: padding,
      paddingEnd: paddingEnd, dilation: dilation, groups: groups)
    self.batch = batch
    self.height = height
    self.width = width
    self.hasBias = hasBias
  }

  var testDescription: String {
    "conv(\(p.inChannels)→\(p.outChannels) k\(p.kernel.height)x\(p.kernel.width) s\(p.stride.height)x\(p.stride.width) "
      + "p\(p.padding.height)x\(p.padding.width) d\(p.dilation.height)x\(p.dilation.width) g\(p.groups) "
      + "n\(batch) \(height)x\(width) bias \(hasBias))"
  }

  struct Data {
    var x: [Float]
    var weight: [Float]
    var bias: [Float]?
    var residual: [Float]
    var scale: [Float]
    var shift: [Float]
    var outputCount: Int
  }

  func data() throws -> Data {
    var numbers = Numbers(seed: p.inChannels * 31 + p.outChannels * 7 + height)
    let size = try p.outputSize(height: height, width: width)
    let outputCount = batch * size.height * size.width * p.outChannels
    return Data(
      x: numbers.floats(batch * height * width * p.inChannels),
      weight: numbers.floats(p.outChannels * p.groupInputs * p.taps),
      bias: hasBias ? numbers.floats(p.outChannels) : nil, residual: numbers.floats(outputCount),
      scale: numbers.floats(batch * p.outChannels), shift: numbers.floats(batch * p.outChannels),
      outputCount: outputCount)
  }

  func packed(_ data: Data, _ table: KernelTable) throws -> PackedConv2d {
    let (weight, bias) = try tensors(data)
    return try PackedConv2d(weight: weight, bias: bias, parameters: p, table: table)
  }

  func winograd(_ data: Data, outputs: Int, _ table: KernelTable) throws -> WinogradConv2d {
    let (weight, bias) = try tensors(data)
    return try WinogradConv2d(
      outputs: outputs, weight: weight, bias: bias, parameters: p, table: table, pool: .shared)
  }

  private func tensors(_ data: Data) throws -> (weight: Tensor, bias: Tensor?) {
    (
      try Tensor(
        shape: [p.outChannels, p.groupInputs, p.kernel.height, p.kernel.width], scalars: data.weight),
      try data.bias.map { try Tensor(shape: [p.outChannels], scalars: $0) }
    )
  }

  /// Runs the kernel between guards.
  func run(
    _ conv: any Conv2dAlgorithm, _ data: Data, threads: Int, activation: Activation = .identity,
    residual: Bool = false, affine: Bool = false, sums: UnsafeMutablePointer<Double>? = nil
  ) throws -> [Float] {
    let (x, out) = (try GuardedFloats(data.x), try GuardedFloats(data.outputCount))
    let (r, a, d) = (
      try GuardedFloats(data.residual), try GuardedFloats(data.scale), try GuardedFloats(data.shift)
    )
    let plan = try conv.plan(
      Conv2dProblem(
        batch: batch, height: height, width: width, threads: threads, hasAffine: affine,
        collectsSums: sums != nil))
    try withScratch(plan.scratchByteCount) { scratch in
      plan.run(
        input: x.start, output: out.start,
        epilogue: Conv2dEpilogue(
          activation: activation, residual: residual ? UnsafePointer(r.start) : nil,
          affine: affine ? .init(scale: a.start, shift: d.start) : nil, sums: sums),
        scratch: scratch, pool: ThreadPool(threads: threads))
    }
    #expect(out.isGuardIntact)
    return withExtendedLifetime((x, r, a, d)) { out.values }
  }

  /// Shapes around the tiles' sizes, and every parameter away from its default.
  static let all: [Conv2dCase] = {
    var cases: [Conv2dCase] = []
    for channels in [1, 3, 5, 8, 15, 16, 17, 31, 33, 47, 48, 49, 63, 64, 65, 130] {
      cases.append(.init(5, channels, height: 1, width: 7))
      cases.append(.init(3, channels, kernel: .init(3), padding: .init(1), height: 4, width: 5))
    }
    for pixels in [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 17, 47, 48, 49] {
      cases.append(.init(7, 64, height: 1, width: pixels, hasBias: false))
      cases.append(.init(4, 40, kernel: .init(1, 3), padding: .init(0, 1), height: 1, width: pixels))
    }
    for stride in 1...3 {
      for padding in 0...2 {
        cases.append(
          .init(
            6, 20, kernel: .init(3), stride: .init(stride), padding: .init(padding), batch: 2, height: 9,
            width: 8))
      }
    }
    cases += [
      .init(3, 64, kernel: .init(7), stride: .init(2), padding: .init(3), height: 23, width: 21),
      .init(
        4, 9, kernel: .init(3, 2), stride: .init(2, 1), padding: .init(0, 1), dilation: .init(2, 3),
        height: 11, width: 10),
      .init(
        4, 9, kernel: .init(3), stride: .init(2), padding: .init(0), paddingEnd: .init(1), height: 8, width: 8
      ),
      .init(4, 9, kernel: .init(5), padding: .init(4), paddingEnd: .init(0, 2), height: 3, width: 3),
      .init(16, 24, stride: .init(2), batch: 3, height: 5, width: 7),
      .init(300, 70, kernel: .init(3), padding: .init(1), height: 5, width: 5),
      .init(12, 8, kernel: .init(3), padding: .init(1), groups: 4, height: 6, width: 7),
      .init(8, 136, kernel: .init(3), padding: .init(1), groups: 2, batch: 2, height: 6, width: 7),
      .init(128, 128, kernel: .init(3), padding: .init(1), groups: 32, height: 4, width: 4),
    ]
    for channels in [2, 5, 15, 16, 17, 32, 33, 65] {
      cases.append(
        .init(
          channels, channels, kernel: .init(3), padding: .init(1), groups: channels, batch: 2, height: 5,
          width: 7))
    }
    cases += [
      .init(24, 24, kernel: .init(5), stride: .init(2), padding: .init(2), groups: 24, height: 13, width: 11),
      .init(10, 30, kernel: .init(3), padding: .init(1), groups: 10, height: 5, width: 5),
      .init(32, 64, kernel: .init(3), padding: .init(2), dilation: .init(2), groups: 32, height: 7, width: 7),
      .init(9, 9, kernel: .init(7, 1), padding: .init(3, 0), groups: 9, height: 8, width: 3, hasBias: false),
    ]
    return cases
  }()
}
