import CRBNKernels
import RBNTensor

extension PackedConv2d {
  package func plan(_ problem: Conv2dProblem) throws -> any PlannedConv2d {
    try DirectConv2dPlan(self, problem)
  }

  /// One output pixel from the inputs of its window: `taps` rows of `inChannels` floats, one after the other.
  ///
  /// - Parameter panels: Which of ``windowPanels``; each writes its own output channels, whose range is returned.
  func runWindow(
    _ window: UnsafePointer<Float>, panel: Int, output: UnsafeMutablePointer<Float>
  ) -> Range<Int> {
    let p = parameters
    var e = rbn_epilogue()
    e.activation = Activation.identity.kernel
    // A table with the first pixel of a tile; what a kernel needs it for fits on the stack.
    let step: Int =
      switch kind {
      case .panels(let tile, _): p.groups > 1 ? tile.pixels : 0
      case .depthwise, .grouped: RBN_DEPTHWISE_TILE
      }
    return withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: p.taps * step) { rows in
      if step > 0 { for tap in 0..<p.taps { rows[tap * step] = window + tap * p.inChannels } }
      let table = UnsafePointer(rows.baseAddress)
      switch kind {
      case .panels(let tile, let count):
        let (group, index) = panel.quotientAndRemainder(dividingBy: count)
        let channel = group * p.groupOutputs + index * tile.channels
        let channels = min(tile.channels, p.groupOutputs - index * tile.channels)
        e.bias = bias.map { UnsafePointer($0.start) + channel }
        // Without groups the whole window is the input of one tap.
        let taps = step > 0 ? p.taps : 1
        var task = rbn_conv_task(
          rows: step > 0 ? table : nil, input: window, input_stride: 0, channel_offset: group * p.groupInputs,
          taps: taps, depth: p.taps / taps * p.groupInputs, pixels: 1, channels: channels,
          weights: UnsafePointer(weights.start) + panel * p.taps * p.groupInputs * tile.channels,
          prefetch: nil, output: output + channel, output_stride: p.outChannels, epilogue: e)
        tile.function(&task)
        return channel..<channel + channels
      case .depthwise(let function, _), .grouped(let function):
        e.bias = bias.map { UnsafePointer($0.start) }
        var task = rbn_depthwise_task(
          rows: table, taps: p.taps, kernel_width: p.kernel.width, stride_x: p.stride.width,
          column_stride: p.inChannels, multiplier: p.groupOutputs, pixels: 1, channels: p.outChannels,
          weights: UnsafePointer(weights.start), weights_stride: weightsStride, output: output,
          output_stride: p.outChannels, epilogue: e)
        function(&task)
        return 0..<p.outChannels
      }
    }
  }

  /// Whether the pixels of a window's row are read as one tap: worth a copy of the input when a pixel has few channels.
  fileprivate var mergesRows: Bool {
    guard case .panels = kind else { return false }
    let p = parameters
    return p.groups == 1 && p.inChannels <= 8 && p.kernel.width > 1 && p.dilation.width == 1
  }

  /// Whether the kernel finds the input of a pointwise convolution without a table of rows.
  fileprivate var readsRowsInPlace: Bool {
    if case .panels = kind { true } else { false }
  }

  /// Floats between the taps of depthwise weights.
  fileprivate var weightsStride: Int {
    if case .depthwise(_, let stride) = kind { stride } else { 0 }
  }

  /// The pieces of ``runWindow(_:panel:output:)``.
  var windowPanels: Int {
    switch kind {
    case .panels(_, let count): parameters.groups * count
    case .depthwise, .grouped: 1
    }
  }
}

/// The implicit GEMM of ``PackedConv2d`` cut into runs of pixels times runs of panels.
private struct DirectConv2dPlan: PlannedConv2d {
  private let conv: PackedConv2d
  private let problem: Conv2dProblem
  private let output: Conv2dParameters.Axes
  private let split: WorkSplit
  /// 1 when images need not be kept apart.
  private let instances: Int
  /// Output pixels of an instance.
  private let pixels: Int
  /// Panels of all groups.
  private let panels: Int
  private let tilePixels: Int
  private let panelWidth: Int
  /// Bytes of a worker's table of row pointers.
  private let tableBytes: Int
  private let sums: PartialSums
  /// The padded copy of the input, where rows of the window are read as one tap.
  private let padded: PaddedInput?
  let scratchByteCount: Int

  /// Row pointers that one worker's table may hold.
  private static let tableEntries = 8192
  private static let sumsBlock = RBN_SUMS_BLOCK

  var completesChannels: Bool { problem.isPerInstance && runsPerInstance == 1 }
  private var runsPerInstance: Int { (pixels + split.pixels - 1) / split.pixels }
  private var runsOfPanels: Int { (panels + split.panels - 1) / split.panels }

  init(_ conv: PackedConv2d, _ problem: Conv2dProblem) throws {
    let p = conv.parameters
    self.conv = conv
    self.problem = problem
    output = try p.outputSize(height: problem.height, width: problem.width)
    let imagePixels = output.height * output.width
    instances = problem.isPerInstance ? problem.batch : 1
    pixels = problem.isPerInstance ? imagePixels : problem.batch * imagePixels
    let cycles: Double
    let depth = Double(p.taps * p.groupInputs)
    switch conv.kind {
    case .panels(let tile, let count):
      (tilePixels, panelWidth, panels) = (tile.pixels, tile.channels, p.groups * count)
      // Two multiply-adds of a vector in a cycle, and a little more for what is around them.
      cycles = depth * Double(tile.channels / tile.vectorLength) / 2 * 1.08
    case .depthwise(_, let stride):
      // All channels are one panel.
      (tilePixels, panelWidth, panels) = (RBN_DEPTHWISE_TILE, stride, 1)
      cycles = Double(p.taps * stride) / 8
    case .grouped:
      (tilePixels, panelWidth, panels) = (RBN_DEPTHWISE_TILE, p.outChannels, 1)
      cycles = depth * Double(p.outChannels) / 8
    }
    padded = conv.mergesRows ? PaddedInput(p, problem, output) : nil
    let rowsPerPixel = padded == nil ? p.taps : p.kernel.height
    let reuse = min(Double(p.taps), Double(p.stride.height * p.stride.width))
    let whole = problem.wantsCompletion && instances * panels >= 4 * problem.threads
    let quantum = problem.collectsSums ? Self.sumsBlock : tilePixels
    let longestRun = p.isPointwise && conv.readsRowsInPlace ? Int.max : Self.tableEntries / rowsPerPixel
    split = WorkSplit(
      WorkSplit.Problem(
        repeats: instances, pixels: pixels, panels: panels,
        quantum: whole && pixels <= longestRun ? (pixels + quantum - 1) / quantum * quantum : quantum,
        longestRun: longestRun,
        inputBytes: reuse * Double(p.inChannels) * 4,
        panelBytes: depth * Double(panelWidth) * 4, cycles: cycles),
      threads: problem.threads)
    tableBytes =
      p.isPointwise && conv.readsRowsInPlace
      ? 0 : TensorStorage.aligned(split.pixels * rowsPerPixel * 8)
    sums = PartialSums(rows: (pixels + Self.sumsBlock - 1) / Self.sumsBlock, channels: p.outChannels)
    scratchByteCount =
      (padded?.byteCount ?? 0) + problem.threads * tableBytes
      + (problem.collectsSums ? sums.byteCount(batch: instances) : 0)
  }

  func run(
    input: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, epilogue: Conv2dEpilogue,
    scratch: UnsafeMutableRawPointer, pool: ThreadPool
  ) {
    guard problem.batch > 0 else { return }
    var window = conv.window(input, problem, self.output)
    var scratch = scratch
    if let padded {
      padded.fill(scratch.assumingMemoryBound(to: Float.self), from: input, pool)
      padded.use(UnsafePointer(scratch.assumingMemoryBound(to: Float.self)), in: &window)
      scratch += padded.byteCount
    }
    let geometry = window
    let tables = scratch
    let partialSums =
      epilogue.sums == nil
      ? nil : (scratch + problem.threads * tableBytes).assumingMemoryBound(to: Float.self)
    pool.parallelFor(count: instances * runsPerInstance * runsOfPanels) { index, worker in
      piece(
        index, geometry, output: output, epilogue, partialSums: partialSums,
        table: tables + worker * tableBytes)
    }
    if epilogue.completion == nil, let total = epilogue.sums, let partialSums {
      sums.reduce(partialSums, batch: instances, into: total, table: conv.table)
    }
  }

  /// One run of pixels of one instance, times one run of panels.
  private func piece(
    _ index: Int, _ window: rbn_window, output: UnsafeMutablePointer<Float>, _ epilogue: Conv2dEpilogue,
    partialSums: UnsafeMutablePointer<Float>?, table: UnsafeMutableRawPointer
  ) {
    // Panels change fastest within an instance: rows that lie side by side are one thread's, as they were in the layer before.
    let (rest, panelRun) = index.quotientAndRemainder(dividingBy: runsOfPanels)
    let (instance, pixelRun) = rest.quotientAndRemainder(dividingBy: runsPerInstance)
    let first = pixelRun * split.pixels
    let count = min(split.pixels, pixels - first)
    let p = conv.parameters
    let outChannels = p.outChannels
    let firstPixel = instance * pixels + first
    var rows: UnsafePointer<UnsafePointer<Float>?>?
    if tableBytes > 0 {
      let table = table.assumingMemoryBound(to: UnsafePointer<Float>?.self)
      withUnsafePointer(to: window) { rbn_gather_rows($0, firstPixel, count, tilePixels, table) }
      rows = UnsafePointer(table)
    }
    let panelRange = panelRun * split.panels..<min((panelRun + 1) * split.panels, panels)
    for panel in panelRange {
      let (group, range) = channels(of: panel)
      let channel = range.lowerBound
      var e = epilogue.kernel(
        bias: conv.bias, instance: instance, outChannels: outChannels, pixel: firstPixel, channel: channel)
      if let partialSums {
        let row = sums.row(instance, first / Self.sumsBlock, in: partialSums) + channel
        for block in 0..<(count + Self.sumsBlock - 1) / Self.sumsBlock {
          (row + block * outChannels).update(repeating: 0, count: range.count)
        }
        e.sums = row
        e.sums_stride = outChannels
      }
      let target = output + firstPixel * outChannels + channel
      switch conv.kind {
      case .panels(let tile, _):
        let depth = p.groupInputs
        let panelSize = p.taps * depth * panelWidth
        // In a padded copy a row of the window is one tap of all its pixels' channels.
        let taps = padded == nil ? p.taps : p.kernel.height
        let weights = UnsafePointer(conv.weights.start) + panel * panelSize
        var task = rbn_conv_task(
          rows: rows, input: rows == nil ? window.input + firstPixel * p.inChannels : nil,
          input_stride: p.inChannels, channel_offset: group * depth, taps: taps,
          depth: p.taps / taps * depth, pixels: count, channels: range.count, weights: weights,
          prefetch: panel + 1 < panelRange.upperBound ? weights + panelSize : nil, output: target,
          output_stride: outChannels, epilogue: e)
        tile.function(&task)
      case .depthwise(let function, _), .grouped(let function):
        var task = rbn_depthwise_task(
          rows: rows, taps: p.taps, kernel_width: p.kernel.width, stride_x: p.stride.width,
          column_stride: p.dilation.width * p.inChannels, multiplier: p.groupOutputs, pixels: count,
          channels: range.count,
          weights: UnsafePointer(conv.weights.start), weights_stride: conv.weightsStride, output: target,
          output_stride: outChannels, epilogue: e)
        function(&task)
      }
    }
    if let completion = epilogue.completion, let partialSums {
      let first = channels(of: panelRange.lowerBound).range.lowerBound
      let end = channels(of: panelRange.upperBound - 1).range.upperBound
      completion.complete(instance: instance, first..<end, partialSums, sums)
    }
  }

  /// The group of a panel, and its output channels.
  private func channels(of panel: Int) -> (group: Int, range: Range<Int>) {
    guard case .panels(_, let count) = conv.kind else { return (0, 0..<conv.parameters.outChannels) }
    let (group, index) = panel.quotientAndRemainder(dividingBy: count)
    let outputs = conv.parameters.groupOutputs
    let first = group * outputs + index * panelWidth
    return (group, first..<min(first + panelWidth, (group + 1) * outputs))
  }
}

extension PackedConv2d {
  /// The geometry for the kernels.
  func window(_ input: UnsafePointer<Float>, _ problem: Conv2dProblem, _ output: Conv2dParameters.Axes)
    -> rbn_window
  {
    let p = parameters
    return rbn_window(
      input: input, padding: UnsafePointer(zeros.start), channels: p.inChannels, height: problem.height,
      width: problem.width, output_height: output.height, output_width: output.width,
      kernel_height: p.kernel.height, kernel_width: p.kernel.width, stride_y: p.stride.height,
      stride_x: p.stride.width, padding_y: p.padding.height, padding_x: p.padding.width,
      dilation_y: p.dilation.height, dilation_x: p.dilation.width)
  }
}

extension Conv2dEpilogue {
  /// What a kernel applies to a run of pixels and channels, sums left out.
  ///
  /// - Parameters:
  ///   - pixel: The first output pixel, counted over all instances.
  ///   - channel: The first output channel.
  func kernel(bias: PackedFloats?, instance: Int, outChannels: Int, pixel: Int, channel: Int) -> rbn_epilogue
  {
    var e = rbn_epilogue()
    e.bias = bias.map { UnsafePointer($0.start) + channel }
    if let affine {
      e.scale = affine.scale + instance * outChannels + channel
      e.shift = affine.shift + instance * outChannels + channel
    }
    e.residual = residual.map { $0 + pixel * outChannels + channel }
    e.activation = activation.kernel
    return e
  }
}

/// A copy of a convolution's input with its padding, so that the pixels of a window's row lie side by side.
private struct PaddedInput {
  let batch, height, width, rowStride: Int
  let paddedHeight: Int
  let top, left: Int

  var byteCount: Int {
    TensorStorage.aligned(batch * paddedHeight * rowStride * MemoryLayout<Float>.size)
  }

  init(_ p: Conv2dParameters, _ problem: Conv2dProblem, _ output: Conv2dParameters.Axes) {
    batch = problem.batch
    height = problem.height
    width = problem.width * p.inChannels
    top = p.padding.height
    left = p.padding.width * p.inChannels
    // What the windows cover, and at least the image.
    let rows = (output.height - 1) * p.stride.height + (p.kernel.height - 1) * p.dilation.height + 1
    let columns = (output.width - 1) * p.stride.width + p.kernel.width
    paddedHeight = max(rows, height + top)
    rowStride = max(columns, problem.width + p.padding.width) * p.inChannels
  }

  func fill(_ target: UnsafeMutablePointer<Float>, from input: UnsafePointer<Float>, _ pool: ThreadPool) {
    let run = 16
    let runs = (paddedHeight + run - 1) / run
    pool.parallelFor(count: batch * runs) { index, _ in
      let (image, part) = index.quotientAndRemainder(dividingBy: runs)
      for y in part * run..<min((part + 1) * run, paddedHeight) {
        let row = target + (image * paddedHeight + y) * rowStride
        guard (top..<top + height).contains(y) else {
          row.update(repeating: 0, count: rowStride)
          continue
        }
        row.update(repeating: 0, count: left)
        (row + left).update(from: input + (image * height + y - top) * width, count: width)
        (row + left + width).update(repeating: 0, count: rowStride - left - width)
      }
    }
  }

  /// Makes a window read the copy: its rows are taps, and nothing lies outside.
  func use(_ copy: UnsafePointer<Float>, in window: inout rbn_window) {
    window.input = copy
    window.height = paddedHeight
    window.width = rowStride / window.channels
    window.kernel_width = 1
    window.padding_y = 0
    window.padding_x = 0
  }
}
