import CRBNKernels
import RBNGraph

/// Elementwise functions over float32 activations in (N, H, W, C) order. Outputs may be one of the inputs.
package struct Elementwise: Sendable {
  private let table: KernelTable
  private let pool: ThreadPool
  /// Floats of a piece of work: fits in the first-level cache twice.
  private static let pieceSize = 4096

  package init(table: KernelTable, pool: ThreadPool) {
    self.table = table
    self.pool = pool
  }

  /// The operations that have vector kernels.
  package enum Operation: Sendable {
    case add, sub, mul, div, maximum, minimum

    /// The kernels' counterpart of an operator; `nil` when they have none.
    package init?(_ function: Binary.Function) {
      switch function {
      case .add: self = .add
      case .sub: self = .sub
      case .mul: self = .mul
      case .div: self = .div
      case .maximum: self = .maximum
      case .minimum: self = .minimum
      default: return nil
      }
    }

    var kernel: Int32 {
      switch self {
      case .add: Int32(RBN_ADD.rawValue)
      case .sub: Int32(RBN_SUB.rawValue)
      case .mul: Int32(RBN_MUL.rawValue)
      case .div: Int32(RBN_DIV.rawValue)
      case .maximum: Int32(RBN_MAXIMUM.rawValue)
      case .minimum: Int32(RBN_MINIMUM.rawValue)
      }
    }
  }

  /// output = function(input), `count` elements.
  package func unary(
    _ function: Activation, _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, count: Int
  ) {
    let (kernel, activation) = (table.unary.function, function.kernel)
    forEachPiece(count, unit: 1) { first, length in kernel(input + first, output + first, length, activation)
    }
  }

  /// output = function(input), for functions without a vector kernel.
  package func map(
    _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, count: Int,
    _ function: (Float) -> Float
  ) {
    forEachPiece(count, unit: 1) { first, length in
      for i in first..<first + length { output[i] = function(input[i]) }
    }
  }

  /// output = a ∘ b, `count` elements each.
  package func binary(
    _ function: Operation, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ output: UnsafeMutablePointer<Float>, count: Int
  ) {
    let kernel = table.binary.function
    let operation = function.kernel
    forEachPiece(count, unit: 1) { first, length in
      var task = rbn_binary_task(
        operation: operation, swapped: 0, repeats_row: 0, a: a + first, b: b + first, output: output + first,
        rows: 1, channels: length)
      kernel(&task)
    }
  }

  /// output = a ∘ scalar, or scalar ∘ a when `scalarIsFirst`.
  package func binary(
    _ function: Operation, _ a: UnsafePointer<Float>, scalar: Float, scalarIsFirst: Bool = false,
    _ output: UnsafeMutablePointer<Float>, count: Int
  ) {
    let kernel = table.binaryScalar.function
    let operation = function.kernel
    forEachPiece(count, unit: 1) { first, length in
      kernel(operation, scalarIsFirst ? 1 : 0, a + first, scalar, output + first, length)
    }
  }

  /// output(n, p, c) = a(n, p, c) ∘ b(c), or b(n, c) when `isPerInstance`; operands swapped when `rowIsFirst`.
  package func binary(
    _ function: Operation, _ a: UnsafePointer<Float>, row b: UnsafePointer<Float>, isPerInstance: Bool,
    rowIsFirst: Bool = false, _ output: UnsafeMutablePointer<Float>, batch: Int, pixels: Int, channels: Int
  ) {
    let kernel = table.binary.function
    let operation = function.kernel
    for image in 0..<(isPerInstance ? batch : 1) {
      let offset = image * pixels * channels
      forEachPiece((isPerInstance ? 1 : batch) * pixels * channels, unit: channels) { first, length in
        var task = rbn_binary_task(
          operation: operation, swapped: rowIsFirst ? 1 : 0, repeats_row: 1, a: a + offset + first,
          b: b + image * channels, output: output + offset + first, rows: length / channels,
          channels: channels)
        kernel(&task)
      }
    }
  }

  /// output(r, c) = a(r, c) ∘ b(r); operands swapped when `numberIsFirst`.
  package func binary(
    _ function: Operation, _ a: UnsafePointer<Float>, numberPerRow b: UnsafePointer<Float>,
    numberIsFirst: Bool = false, _ output: UnsafeMutablePointer<Float>, rows: Int, channels: Int
  ) {
    let kernel = table.binaryScalar.function
    let operation = function.kernel
    guard rows > 1 else {
      return binary(
        function, a, scalar: b[0], scalarIsFirst: numberIsFirst, output, count: rows * channels)
    }
    forEachPiece(rows * channels, unit: channels) { first, length in
      for row in first / channels..<(first + length) / channels {
        kernel(
          operation, numberIsFirst ? 1 : 0, a + row * channels, b[row], output + row * channels, channels)
      }
    }
  }

  /// output = activation(scale(n, c) · input + shift(n, c) + residual): the apply step of a Representative BatchNorm.
  ///
  /// - Parameters:
  ///   - scale: (batch, channels), as is shift.
  ///   - residual: (batch, pixels, channels), or `nil` for none.
  ///   - sums: (batch, channels), receives Σ over the pixels of what is stored; or `nil`.
  ///   - scratch: ``instanceAffineScratchByteCount(batch:pixels:channels:)`` bytes when there are sums.
  package func instanceAffine(
    _ input: UnsafePointer<Float>, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
    residual: UnsafePointer<Float>? = nil, activation: Activation = .identity,
    _ output: UnsafeMutablePointer<Float>, batch: Int, pixels: Int, channels: Int,
    sums: UnsafeMutablePointer<Double>? = nil, scratch: UnsafeMutableRawPointer? = nil
  ) {
    let (kernel, activation) = (table.affine.function, activation.kernel)
    let partial = sums == nil ? nil : scratch?.assumingMemoryBound(to: Float.self)
    let block = RBN_SUMS_BLOCK
    let layout = Self.instanceAffineSums(pixels: pixels, channels: channels)
    var rows = Swift.max(Self.pieceSize / Swift.max(channels, 1), 1)
    if partial != nil { rows = Swift.max(rows / block, 1) * block }
    let run = rows
    let runs = (pixels + run - 1) / run
    pool.parallelFor(count: batch * runs) { index, _ in
      let (image, number) = index.quotientAndRemainder(dividingBy: runs)
      let first = number * run
      let offset = (image * pixels + first) * channels
      var task = rbn_affine_task(
        input: input + offset, scale: scale + image * channels, shift: shift + image * channels,
        residual: residual.map { $0 + offset }, output: output + offset,
        sums: partial.map { layout.row(image, first / block, in: $0) }, sums_stride: channels,
        rows: Swift.min(run, pixels - first), channels: channels, row_stride: channels, activation: activation
      )
      kernel(&task)
    }
    if let sums, let partial { layout.reduce(partial, batch: batch, into: sums, table: table) }
  }

  static func instanceAffineSums(pixels: Int, channels: Int) -> PartialSums {
    PartialSums(rows: (pixels + RBN_SUMS_BLOCK - 1) / RBN_SUMS_BLOCK, channels: channels)
  }

  /// The scratch memory that ``instanceAffine`` needs to collect sums, in bytes.
  package static func instanceAffineScratchByteCount(batch: Int, pixels: Int, channels: Int) -> Int {
    instanceAffineSums(pixels: pixels, channels: channels).byteCount(batch: batch)
  }

  /// Cuts `count` elements into runs of whole units.
  private func forEachPiece(_ count: Int, unit: Int, _ body: (_ first: Int, _ length: Int) -> Void) {
    guard count > 0 else { return }
    let length = Swift.max(Self.pieceSize / unit, 1) * unit
    pool.parallelFor(count: (count + length - 1) / length) { index, _ in
      body(index * length, Swift.min(length, count - index * length))
    }
  }
}
