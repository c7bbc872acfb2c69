import RBNGraph
import Testing

@testable import RBNExecution

@Suite struct PoolingKernelTests {
  struct Case: CustomTestStringConvertible {
    var window: PoolWindow
    var channels: Int
    var height: Int
    var width: Int

    init(
      _ kernel: [Int], _ stride: [Int], padding: [Int] = [0, 0], dilation: [Int] = [1, 1], ceil: Bool = false,
      channels: Int, _ height: Int, _ width: Int
    ) {
      window = PoolWindow(kernel: 1, stride: 1)
      window.kernel = kernel
      window.stride = stride
      window.padding = padding
      window.dilation = dilation
      window.ceilMode = ceil
      self.channels = channels
      self.height = height
      self.width = width
    }

    var testDescription: String { "pool(\(window), c=\(channels), \(height)x\(width))" }

    func sizes() throws -> Pooling.Sizes {
      let shape = try #require(window.outputShape([2, channels, height, width]))
      return Pooling.Sizes(
        batch: 2, channels: channels, height: height, width: width, outputHeight: shape[2],
        outputWidth: shape[3])
    }
  }

  static let cases: [Case] =
    [1, 3, 15, 16, 17, 64, 65].map { Case([3, 3], [2, 2], padding: [1, 1], channels: $0, 9, 8) } + [
      Case([2, 2], [2, 2], channels: 5, 7, 7), Case([2, 2], [2, 2], ceil: true, channels: 5, 7, 7),
      Case([3, 2], [1, 3], padding: [1, 0], channels: 4, 6, 11),
      Case([3, 3], [2, 2], padding: [1, 1], ceil: true, channels: 4, 8, 10),
      Case([3, 3], [3, 3], padding: [1, 1], ceil: true, channels: 4, 9, 9),
      Case([1, 1], [3, 3], channels: 4, 5, 5), Case([7, 7], [1, 1], channels: 20, 7, 7),
    ]

  private func run(
    _ x: [Float], _ sizes: Pooling.Sizes, _ set: InstructionSet, threads: Int,
    _ body: (Pooling, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) throws -> [Float] {
    let input = try GuardedFloats(x)
    let out = try GuardedFloats(sizes.batch * sizes.outputHeight * sizes.outputWidth * sizes.channels)
    body(Pooling(table: .table(for: set), pool: ThreadPool(threads: threads)), input.start, out.start)
    #expect(out.isGuardIntact)
    return out.values
  }

  /// What each output element's window reads: (values, positions inside the padded image).
  private func windows(_ x: [Float], _ s: Pooling.Sizes, _ w: PoolWindow) -> [(values: [Double], padded: Int)]
  {
    var result: [(values: [Double], padded: Int)] = []
    for n in 0..<s.batch {
      for oy in 0..<s.outputHeight {
        for ox in 0..<s.outputWidth {
          for c in 0..<s.channels {
            var (values, padded) = ([Double](), 0)
            for i in 0..<w.kernel[0] {
              for j in 0..<w.kernel[1] {
                let y = oy * w.stride[0] - w.padding[0] + i * w.dilation[0]
                let column = ox * w.stride[1] - w.padding[1] + j * w.dilation[1]
                if y < s.height + w.padding[0], column < s.width + w.padding[1] { padded += 1 }
                guard (0..<s.height).contains(y), (0..<s.width).contains(column) else { continue }
                values.append(Double(x[((n * s.height + y) * s.width + column) * s.channels + c]))
              }
            }
            result.append((values, padded))
          }
        }
      }
    }
    return result
  }

  private func input(_ s: Pooling.Sizes) -> [Float] {
    var numbers = Numbers(seed: s.channels)
    return numbers.floats(s.batch * s.height * s.width * s.channels)
  }

  @Test(arguments: cases + [Case([3, 2], [2, 1], padding: [1, 1], dilation: [2, 3], channels: 6, 9, 10)])
  func max(_ c: Case) throws {
    let sizes = try c.sizes()
    let x = input(sizes)
    let expected = windows(x, sizes, c.window).map { Float($0.values.max() ?? -.infinity) }
    for set in InstructionSet.available {
      for threads in [1, 3] {
        let actual = try run(x, sizes, set, threads: threads) { $0.max($1, $2, sizes, c.window) }
        #expect(actual == expected, "\(set), \(threads) threads")
      }
    }
  }

  @Test func maxKeepsNaN() throws {
    let sizes = Pooling.Sizes(batch: 1, channels: 17, height: 4, width: 4, outputHeight: 2, outputWidth: 2)
    for position in 0..<4 {
      var x = input(sizes)
      x[(position / 2 * 4 + position % 2) * 17 + 16] = .nan
      for set in InstructionSet.available {
        let out = try run(x, sizes, set, threads: 1) {
          $0.max($1, $2, sizes, PoolWindow(kernel: 2, stride: 2))
        }
        #expect(out.indices.filter { out[$0].isNaN } == [16], "\(set), NaN at \(position)")
      }
    }
  }

  @Test(arguments: cases, [true, false])
  func average(_ c: Case, _ countIncludePad: Bool) throws {
    let sizes = try c.sizes()
    let x = input(sizes)
    let windows = windows(x, sizes, c.window)
    for divisor in [nil, 5] {
      let expected = windows.map {
        $0.values.reduce(0, +)
          / Double(divisor ?? (countIncludePad ? $0.padded : Swift.max($0.values.count, 1)))
      }
      // n - 1 additions and a division of numbers below 1 in magnitude.
      let bounds = windows.map { epsilon * Double($0.values.count + 1) + 1e-30 }
      for set in InstructionSet.available {
        for threads in [1, 3] {
          let actual = try run(x, sizes, set, threads: threads) {
            $0.average($1, $2, sizes, c.window, countIncludePad: countIncludePad, divisorOverride: divisor)
          }
          expectClose(actual, expected, within: bounds, "\(set), \(threads) threads")
        }
      }
    }
  }

  @Test(arguments: [[1, 1], [2, 3], [7, 5], [9, 12]], [3, 16, 33])
  func adaptiveAverage(_ size: [Int], _ channels: Int) throws {
    let sizes = Pooling.Sizes(
      batch: 2, channels: channels, height: 7, width: 10, outputHeight: size[0], outputWidth: size[1])
    let x = input(sizes)
    var expected: [Double] = []
    for n in 0..<2 {
      for i in 0..<size[0] {
        for j in 0..<size[1] {
          let rows = (i * 7 / size[0])..<(((i + 1) * 7 + size[0] - 1) / size[0])
          let columns = (j * 10 / size[1])..<(((j + 1) * 10 + size[1] - 1) / size[1])
          for c in 0..<channels {
            var sum = 0.0
            for y in rows {
              for column in columns { sum += Double(x[((n * 7 + y) * 10 + column) * channels + c]) }
            }
            expected.append(sum / Double(rows.count * columns.count))
          }
        }
      }
    }
    for set in InstructionSet.available {
      let actual = try run(x, sizes, set, threads: 2) { $0.adaptiveAverage($1, $2, sizes) }
      expectClose(actual, expected, within: expected.map { _ in 71 * epsilon }, "\(set)")
    }
  }
}
