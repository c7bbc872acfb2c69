import CRBNKernels
import RBNGraph

/// Pooling layers over (N, H, W, C) float32 activations.
package struct Pooling: Sendable {
  private let table: KernelTable
  private let pool: ThreadPool

  package init(table: KernelTable, pool: ThreadPool) {
    self.table = table
    self.pool = pool
  }

  /// The sizes of an input and an output.
  package struct Sizes: Hashable, Sendable {
    package var batch: Int
    package var channels: Int
    package var height: Int
    package var width: Int
    package var outputHeight: Int
    package var outputWidth: Int

    package init(
      batch: Int, channels: Int, height: Int, width: Int, outputHeight: Int, outputWidth: Int
    ) {
      self.batch = batch
      self.channels = channels
      self.height = height
      self.width = width
      self.outputHeight = outputHeight
      self.outputWidth = outputWidth
    }
  }

  /// The part of a window that lies in the image, along one axis: first position and number of positions.
  private struct Span {
    var start: Int
    var count: Int
  }

  /// `aten::max_pool2d`. A NaN in the window gives NaN; a window that lies in the padding gives -inf.
  package func max(
    _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ sizes: Sizes, _ window: PoolWindow
  ) {
    func span(_ position: Int, _ size: Int, _ axis: Int) -> Span {
      let step = window.dilation[axis]
      let start = position * window.stride[axis] - window.padding[axis]
      let skipped = start < 0 ? (-start + step - 1) / step : 0
      let first = start + skipped * step
      let inside = first < size ? (size - first + step - 1) / step : 0
      return Span(start: first, count: Swift.max(Swift.min(window.kernel[axis] - skipped, inside), 0))
    }
    let function = table.maxPool.function
    forEachRow(sizes) { image, y in
      let rows = span(y, sizes.height, 0)
      for x in 0..<sizes.outputWidth {
        let columns = span(x, sizes.width, 1)
        var task = self.task(
          input, output, sizes, image, y, x, rows, columns, dilation: (window.dilation[0], window.dilation[1])
        )
        function(&task)
      }
    }
  }

  /// `aten::avg_pool2d`.
  ///
  /// - Parameters:
  ///   - countIncludePad: Whether the padding counts in the divisor (what `ceil_mode` adds beyond it never does).
  ///   - divisorOverride: Divides every sum, if given.
  package func average(
    _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ sizes: Sizes,
    _ window: PoolWindow,
    countIncludePad: Bool, divisorOverride: Int? = nil
  ) {
    func span(_ position: Int, _ size: Int, _ axis: Int) -> (inside: Span, padded: Int) {
      let start = position * window.stride[axis] - window.padding[axis]
      let end = Swift.min(start + window.kernel[axis], size + window.padding[axis])
      let first = Swift.max(start, 0)
      return (Span(start: first, count: Swift.max(Swift.min(end, size) - first, 0)), end - start)
    }
    let function = table.meanPool.function
    forEachRow(sizes) { image, y in
      let rows = span(y, sizes.height, 0)
      for x in 0..<sizes.outputWidth {
        let columns = span(x, sizes.width, 1)
        let counted =
          countIncludePad ? rows.padded * columns.padded : rows.inside.count * columns.inside.count
        var task = self.task(input, output, sizes, image, y, x, rows.inside, columns.inside, dilation: (1, 1))
        // ATen gives 0, not 0 / 0, where a window holds no pixel.
        function(&task, Float(divisorOverride ?? Swift.max(counted, 1)))
      }
    }
  }

  /// `aten::adaptive_avg_pool2d`: rows ⌊i·H/H'⌋ ..< ⌈(i+1)·H/H'⌉ and the columns alike.
  package func adaptiveAverage(
    _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ sizes: Sizes
  ) {
    let function = table.meanPool.function
    adaptive(input, output, sizes) { task, count in function(&task, Float(count)) }
  }

  /// `aten::adaptive_max_pool2d` over the same windows.
  package func adaptiveMax(
    _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ sizes: Sizes
  ) {
    let function = table.maxPool.function
    adaptive(input, output, sizes) { task, _ in function(&task) }
  }

  private func adaptive(
    _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ sizes: Sizes,
    _ body: (inout rbn_pool_task, _ count: Int) -> Void
  ) {
    func span(_ position: Int, _ size: Int, _ outputSize: Int) -> Span {
      let start = position * size / outputSize
      return Span(start: start, count: ((position + 1) * size + outputSize - 1) / outputSize - start)
    }
    forEachRow(sizes) { image, y in
      let rows = span(y, sizes.height, sizes.outputHeight)
      for x in 0..<sizes.outputWidth {
        let columns = span(x, sizes.width, sizes.outputWidth)
        var task = self.task(input, output, sizes, image, y, x, rows, columns, dilation: (1, 1))
        body(&task, rows.count * columns.count)
      }
    }
  }

  private func forEachRow(_ sizes: Sizes, _ body: (_ image: Int, _ y: Int) -> Void) {
    pool.parallelFor(count: sizes.batch * sizes.outputHeight) { index, _ in
      body(index / sizes.outputHeight, index % sizes.outputHeight)
    }
  }

  private func task(
    _ input: UnsafePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ sizes: Sizes, _ image: Int,
    _ y: Int, _ x: Int, _ rows: Span, _ columns: Span, dilation: (Int, Int)
  ) -> rbn_pool_task {
    let isEmpty = rows.count == 0 || columns.count == 0
    let pixel = (image * sizes.height + rows.start) * sizes.width + columns.start
    let outputPixel = (image * sizes.outputHeight + y) * sizes.outputWidth + x
    return rbn_pool_task(
      input: isEmpty ? input : input + pixel * sizes.channels, rows: isEmpty ? 0 : rows.count,
      columns: isEmpty ? 0 : columns.count, row_stride: dilation.0 * sizes.width * sizes.channels,
      column_stride: dilation.1 * sizes.channels, channels: sizes.channels,
      output: output + outputPixel * sizes.channels)
  }
}
