import RBNTensor
import Testing

@testable import RBNExecution

@Suite struct WinogradConv2dTests {
  /// Sizes around the tiles', paddings, channels around the vectors' and panels', batches around the blocks'.
  static let cases: [Conv2dCase] = {
    func conv(
      _ inputs: Int, _ outputs: Int, padding: Int = 1, end: Int? = nil, batch: Int = 1, _ height: Int,
      _ width: Int, bias: Bool = true
    ) -> Conv2dCase {
      Conv2dCase(
        inputs, outputs, kernel: .init(3), padding: .init(padding), paddingEnd: end.map { .init($0) },
        batch: batch, height: height, width: width, hasBias: bias)
    }
    var cases: [Conv2dCase] = []
    for size in 1...9 { cases.append(conv(16, 16, size, 10 - size)) }
    for channels in [1, 3, 7, 8, 9, 15, 17, 33, 70] { cases.append(conv(channels, 71 - channels, 6, 7)) }
    cases += [
      conv(5, 6, padding: 0, 3, 3), conv(5, 6, padding: 0, 8, 9), conv(5, 6, padding: 2, 4, 5),
      conv(4, 9, padding: 0, end: 1, 8, 8, bias: false), conv(64, 64, batch: 3, 7, 7),
      conv(20, 40, batch: 2, 30, 33), conv(8, 8, batch: 70, 3, 2), conv(24, 16, 57, 58),
    ]
    return cases
  }()

  /// In units of rounding of the image's largest Σ|x·w|: transforms mix all inputs of a tile, so the error is that of the
  /// tile's largest sum, not of the element's own. 4 for F(2 × 2) and 40 for F(4 × 4), whose transforms multiply by up to 5
  /// and 8 along each axis, and a share that grows as independent errors do with depth. A wrong transform or product errs by
  /// the order of the sums themselves, a hundred thousand times as much.
  private func bounds(_ reference: Conv2dReference, _ c: Conv2dCase, outputs: Int) -> [Double] {
    // The transforms mix all inputs of a tile: the error is that of the tile's largest sum, not of the element's own.
    let largest = reference.magnitudes.max() ?? 0
    let factor = outputs == 2 ? 4.0 : 40.0
    let depth = Double(c.p.inChannels).squareRoot() + 4
    return reference.values.map { _ in
      epsilon * factor * depth * largest / Double(c.p.inChannels).squareRoot() + 1e-37
    }
  }

  @Test(arguments: cases, [2, 4]) func agreesWithTheReference(_ c: Conv2dCase, outputs: Int) throws {
    let data = try c.data()
    let reference = try Conv2dReference(
      x: data.x, batch: c.batch, height: c.height, width: c.width, weight: data.weight, bias: data.bias, c.p)
    for set in InstructionSet.available {
      let conv = try c.winograd(data, outputs: outputs, .table(for: set))
      let single = try c.run(conv, data, threads: 1)
      expectClose(single, reference.values, within: bounds(reference, c, outputs: outputs), "\(set)")
      let several = try c.run(conv, data, threads: 3)
      #expect(several.map(\.bitPattern) == single.map(\.bitPattern), "\(set)")
      try expectSums(c, data, conv, "\(set)")
    }
  }

  @Test(arguments: [2, 4]) func appliesTheEpilogueInOrder(outputs: Int) throws {
    let c = Conv2dCase(
      20, 37, kernel: .init(3), padding: .init(1), batch: 2, height: 9, width: 6)
    let data = try c.data()
    let image = 9 * 6 * 37
    for set in InstructionSet.available {
      let conv = try c.winograd(data, outputs: outputs, .table(for: set))
      let plain = try c.run(conv, data, threads: 1)
      let actual = try c.run(
        conv, data, threads: 2, activation: .clamp(min: -0.25, max: 0.75), residual: true, affine: true)
      let expected = plain.indices.map { i -> Double in
        let n = i / image * 37 + i % 37
        let v = Double(plain[i]) * Double(data.scale[n]) + Double(data.shift[n]) + Double(data.residual[i])
        return min(max(v, -0.25), 0.75)
      }
      expectClose(
        actual, expected, within: plain.map { epsilon * (abs(Double($0)) + 3) }, "\(set)")
    }
  }

  @Test(arguments: [2, 4]) func aBatchChangesNoImage(outputs: Int) throws {
    for (batch, height, width) in [(5, 7, 5), (3, 31, 30)] {
      let together = Conv2dCase(
        20, 70, kernel: .init(3), padding: .init(1), batch: batch, height: height, width: width)
      let alone = Conv2dCase(20, 70, kernel: .init(3), padding: .init(1), height: height, width: width)
      let data = try together.data()
      for set in InstructionSet.available {
        let conv = try together.winograd(data, outputs: outputs, .table(for: set))
        let all = try together.run(conv, data, threads: 2)
        let (inputs, results) = (height * width * 20, height * width * 70)
        for n in 0..<batch {
          var one = data
          one.x = Array(data.x[n * inputs..<(n + 1) * inputs])
          one.outputCount = results
          let image = try alone.run(conv, one, threads: 2)
          #expect(image.map(\.bitPattern) == all[n * results..<(n + 1) * results].map(\.bitPattern))
        }
      }
    }
  }

  @Test func refusesOtherConvolutions() throws {
    let p = Conv2dParameters(inChannels: 4, outChannels: 4, kernel: .init(3), stride: .init(2))
    #expect(throws: RBNError.self) {
      try WinogradConv2d(
        outputs: 4, weight: .zeros([4, 4, 3, 3]), bias: nil, parameters: p, table: .best, pool: .shared)
    }
  }
}
