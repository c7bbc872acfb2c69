import RBNTensor
import Testing

@testable import RBNExecution

@Suite struct ChannelSumsKernelTests {
  @Test(arguments: [1, 3, 15, 16, 17, 31, 32, 33, 64, 65], [1, 49, 511, 512, 513, 1100])
  func sumsAreThoseOfDoublePrecision(_ channels: Int, _ pixels: Int) throws {
    var numbers = Numbers(seed: channels * pixels)
    let x = numbers.floats(2 * pixels * channels)
    let input = try GuardedFloats(x)
    for set in InstructionSet.available {
      var first: [UInt64] = []
      for threads in [1, 3] {
        let reduction = ChannelSums(table: .table(for: set), pool: ThreadPool(threads: threads))
        var sums = [Double](repeating: .nan, count: 2 * channels)
        let bytes = ChannelSums.scratchByteCount(batch: 2, pixels: pixels, channels: channels)
        try withScratch(bytes) {
          reduction.run(
            input: input.start, batch: 2, pixels: pixels, channels: channels, sums: &sums, scratch: $0)
        }
        if first.isEmpty { first = sums.map(\.bitPattern) }
        #expect(sums.map(\.bitPattern) == first, "\(set), \(threads) threads")
        for n in 0..<2 {
          for c in 0..<channels {
            var expected = 0.0
            for p in 0..<pixels { expected += Double(x[(n * pixels + p) * channels + c]) }
            #expect(abs(sums[n * channels + c] - expected) < 1e-12 * Double(pixels), "\(set)")
          }
        }
      }
    }
  }
}

@Suite struct LayoutKernelTests {
  @Test(arguments: [1, 3, 16, 31, 33, 65, 1030], [1, 7, 32, 63, 1025])
  func transposesThereAndBack(_ channels: Int, _ pixels: Int) throws {
    var numbers = Numbers(seed: channels)
    let x = numbers.floats(2 * channels * pixels)
    let input = try GuardedFloats(x)
    for set in InstructionSet.available {
      for threads in [1, 3] {
        let layout = Layout(table: .table(for: set), pool: ThreadPool(threads: threads))
        let (last, back) = (try GuardedFloats(x.count), try GuardedFloats(x.count))
        layout.channelsLast(input.start, last.start, batch: 2, channels: channels, pixels: pixels)
        layout.channelsFirst(last.start, back.start, batch: 2, channels: channels, pixels: pixels)
        let expected = x.indices.map { i in
          let (n, p, c) = (i / (pixels * channels), i / channels % pixels, i % channels)
          return x[(n * channels + c) * pixels + p]
        }
        #expect(last.isGuardIntact && last.values == expected, "\(set), \(threads) threads")
        #expect(back.isGuardIntact && back.values == x, "\(set), \(threads) threads")
      }
    }
  }
}

@Suite struct LinearKernelTests {
  @Test(arguments: [1, 15, 16, 17, 63, 64, 65, 1000], [1, 5, 64, 513])
  func agreesWithTheReferenceInEveryBatch(_ outputs: Int, _ inputs: Int) throws {
    var numbers = Numbers(seed: outputs + inputs)
    let batch = outputs > 100 ? 3 : 13
    let weight = numbers.floats(outputs * inputs), bias = numbers.floats(outputs)
    let x = numbers.floats(batch * inputs)
    let input = try GuardedFloats(x)
    var (expected, bounds) = ([Double](), [Double]())
    for n in 0..<batch {
      for o in 0..<outputs {
        var (sum, magnitude) = (Double(bias[o]), abs(Double(bias[o])))
        for k in 0..<inputs {
          let product = Double(x[n * inputs + k]) * Double(weight[o * inputs + k])
          sum += product
          magnitude += abs(product)
        }
        expected.append(sum)
        bounds.append(epsilon * Double(inputs + 2) * magnitude)
      }
    }
    for set in InstructionSet.available {
      let linear = try PackedLinear(
        weight: Tensor(shape: [outputs, inputs], scalars: weight),
        bias: Tensor(shape: [outputs], scalars: bias),
        table: .table(for: set))
      let out = try GuardedFloats(batch * outputs)
      let (all, single) = (
        try linear.plan(batch: batch, threads: 2), try linear.plan(batch: 1, threads: 1)
      )
      try withScratch(max(all.scratchByteCount, single.scratchByteCount)) {
        all.run(
          input: input.start, output: out.start, epilogue: Conv2dEpilogue(), scratch: $0,
          pool: ThreadPool(threads: 2))
        #expect(out.isGuardIntact)
        expectClose(out.values, expected, within: bounds, "\(set)")
        for n in [0, batch - 1] {
          let one = try GuardedFloats(outputs)
          single.run(
            input: input.start + n * inputs, output: one.start, epilogue: Conv2dEpilogue(), scratch: $0,
            pool: ThreadPool(threads: 1))
          let same = out.values[n * outputs..<(n + 1) * outputs].map(\.bitPattern)
          #expect(one.values.map(\.bitPattern) == same, "\(set), row \(n)")
        }
      }
    }
  }
}

@Suite struct KernelTableTests {
  @Test func portableIsAlwaysAvailable() {
    #expect(InstructionSet.available.first == .portable)
    #expect(InstructionSet.portable < .avx2 && InstructionSet.avx2 < .avx512)
    #expect(InstructionSet.best == InstructionSet.available.last)
  }

  @Test func prefersTilesWithoutPadding() {
    for set in InstructionSet.available {
      let table = KernelTable.table(for: set)
      #expect(table.instructionSet == set)
      #expect(table.convTile(channels: 64).channels == table.convTiles[0].channels)
      #expect(table.convTile(channels: 1).channels == table.convTiles.map(\.channels).min())
      for line in table.description.split(separator: "\n") { #expect(line.hasSuffix(": \(set)")) }
    }
  }
}
