import CRBNKernels
import RBNTensor

extension PackedConv2d {
  /// Row pointers that one worker's table may hold.
  private static let tableEntries = 8192
  private static let sumsBlock = RBN_SUMS_BLOCK
  private static let alignment = 64

  /// Everything that one run's pieces of work share.
  private struct Run {
    var split: WorkSplit
    /// 1 when images need not be kept apart.
    var instances: Int
    /// Output pixels of an instance.
    var pixels: Int
    var groups: Int
    var panels: Int
    var tilePixels: Int
    var panelWidth: Int
    var runsPerInstance: Int { (pixels + split.pixels - 1) / split.pixels }
    var runsOfPanels: Int { (panels + split.panels - 1) / split.panels }
    var pieces: Int { instances * groups * runsPerInstance * runsOfPanels }
    /// Bytes of a worker's table of row pointers.
    var tableBytes: Int
    /// Rows of partial sums of an instance.
    var blocks: Int { (pixels + PackedConv2d.sumsBlock - 1) / PackedConv2d.sumsBlock }
  }

  /// The scratch memory that a run needs, in bytes, aligned to 64.
  ///
  /// - Parameters:
  ///   - threads: Of the pool that will be given.
  ///   - collectsSums: Whether the epilogue will have `sums`.
  /// - Throws: `kernel.invalid-convolution` when the window does not fit.
  package func scratchByteCount(
    batch: Int, height: Int, width: Int, threads: Int, collectsSums: Bool = false
  ) throws -> Int {
    let output = try parameters.outputSize(height: height, width: width)
    func bytes(isPerInstance: Bool, collectsSums: Bool) -> Int {
      let run = plan(
        batch: batch, output: output, threads: threads, isPerInstance: isPerInstance,
        collectsSums: collectsSums)
      return threads * run.tableBytes
        + (collectsSums ? run.instances * run.blocks * parameters.outChannels * 8 : 0)
    }
    return max(
      bytes(isPerInstance: false, collectsSums: false), bytes(isPerInstance: true, collectsSums: collectsSums)
    )
  }

  private func plan(
    batch: Int, output: Conv2dParameters.Axes, threads: Int, isPerInstance: Bool, collectsSums: Bool
  ) -> Run {
    let p = parameters
    let imagePixels = output.height * output.width
    let instances = isPerInstance ? batch : 1
    let pixels = isPerInstance ? imagePixels : batch * imagePixels
    let tilePixels: Int, width: Int, panels: Int, groups: Int
    let cycles: Double
    let depth = Double(p.taps * p.groupInputs)
    switch kind {
    case .panels(let tile, let count):
      (tilePixels, width, panels, groups) = (tile.pixels, tile.channels, count, p.groups)
      cycles = depth * Double(tile.channels / tile.vectorLength)
    case .depthwise(_, let stride):
      // All channels are one panel.
      (tilePixels, width, panels, groups) = (RBN_DEPTHWISE_TILE, stride, 1, 1)
      cycles = Double(p.taps * stride) / 8
    }
    let reuse = min(Double(p.taps), Double(p.stride.height * p.stride.width))
    let quantum = collectsSums ? Self.sumsBlock : tilePixels
    let split = WorkSplit(
      WorkSplit.Problem(
        repeats: instances * groups, pixels: pixels, panels: panels, quantum: quantum,
        longestRun: p.isPointwise ? Int.max : Self.tableEntries / p.taps,
        inputBytes: reuse * Double(groups == 1 ? p.inChannels : p.groupInputs) * 4,
        panelBytes: depth * Double(width) * 4, cycles: cycles),
      threads: threads)
    var run = Run(
      split: split, instances: instances, pixels: pixels, groups: groups, panels: panels,
      tilePixels: tilePixels, panelWidth: width, tableBytes: 0)
    if !(p.isPointwise && !p.isDepthwise) {
      run.tableBytes = (split.pixels * p.taps * 8 + Self.alignment - 1) / Self.alignment * Self.alignment
    }
    return run
  }

  /// Computes the convolution.
  ///
  /// - Parameters:
  ///   - input: (batch, height, width, inChannels).
  ///   - output: (batch, output height, output width, outChannels); must not overlap the input.
  ///   - scratch: ``scratchByteCount(batch:height:width:threads:collectsSums:)`` bytes, aligned to 64.
  /// - Throws: `kernel.invalid-convolution` when the window does not fit.
  package func run(
    input: UnsafePointer<Float>, batch: Int, height: Int, width: Int, output: UnsafeMutablePointer<Float>,
    epilogue: Conv2dEpilogue = Conv2dEpilogue(), scratch: UnsafeMutableRawPointer, pool: ThreadPool
  ) throws {
    guard batch > 0 else { return }
    let size = try parameters.outputSize(height: height, width: width)
    let run = plan(
      batch: batch, output: size, threads: pool.threads, isPerInstance: epilogue.isPerInstance,
      collectsSums: epilogue.sums != nil)
    let p = parameters
    let window = rbn_window(
      input: input, padding: UnsafePointer(zeros.start), channels: p.inChannels, height: height, width: width,
      output_height: size.height, output_width: size.width, kernel_height: p.kernel.height,
      kernel_width: p.kernel.width, stride_y: p.stride.height, stride_x: p.stride.width,
      padding_y: p.padding.height, padding_x: p.padding.width, dilation_y: p.dilation.height,
      dilation_x: p.dilation.width)
    let partialSums =
      epilogue.sums == nil
      ? nil : (scratch + pool.threads * run.tableBytes).bindMemory(to: Double.self, capacity: 0)
    pool.parallelFor(count: run.pieces) { index, worker in
      piece(
        index, run, window, output: output, epilogue, partialSums: partialSums,
        table: scratch + worker * run.tableBytes)
    }
    if let sums = epilogue.sums, let partialSums { reduce(partialSums, run, into: sums) }
  }

  /// One run of pixels of one instance, times one run of panels of one group.
  private func piece(
    _ index: Int, _ run: Run, _ window: rbn_window, output: UnsafeMutablePointer<Float>,
    _ epilogue: Conv2dEpilogue, partialSums: UnsafeMutablePointer<Double>?, table: UnsafeMutableRawPointer
  ) {
    // Panels change slowest within an instance: threads that work side by side share weights.
    let (rest, pixelRun) = index.quotientAndRemainder(dividingBy: run.runsPerInstance)
    let (rest2, panelRun) = rest.quotientAndRemainder(dividingBy: run.runsOfPanels)
    let (instance, group) = rest2.quotientAndRemainder(dividingBy: run.groups)
    let first = pixelRun * run.split.pixels
    let count = min(run.split.pixels, run.pixels - first)
    let outChannels = parameters.outChannels
    let firstPixel = instance * run.pixels + first
    var rows: UnsafeMutablePointer<UnsafePointer<Float>?>?
    if run.tableBytes > 0 {
      let table = table.bindMemory(to: UnsafePointer<Float>?.self, capacity: run.tableBytes / 8)
      withUnsafePointer(to: window) { rbn_gather_rows($0, firstPixel, count, run.tilePixels, table) }
      rows = table
    }
    let groupOutputs = run.groups == 1 ? outChannels : parameters.groupOutputs
    for panel in panelRun * run.split.panels..<min((panelRun + 1) * run.split.panels, run.panels) {
      let channel = group * groupOutputs + panel * run.panelWidth
      let channels = min(run.panelWidth, groupOutputs - panel * run.panelWidth)
      var e = rbn_epilogue()
      e.bias = bias.map { UnsafePointer($0.start) + channel }
      if let affine = epilogue.affine {
        e.scale = affine.scale + instance * outChannels + channel
        e.shift = affine.shift + instance * outChannels + channel
      }
      e.residual = epilogue.residual.map { $0 + firstPixel * outChannels + channel }
      e.activation = epilogue.activation.kernel
      if let partialSums {
        let block = instance * run.blocks + first / Self.sumsBlock
        let sums = partialSums + block * outChannels + channel
        for row in 0..<(count + Self.sumsBlock - 1) / Self.sumsBlock {
          (sums + row * outChannels).update(repeating: 0, count: channels)
        }
        e.sums = sums
        e.sums_stride = outChannels
      }
      let target = output + firstPixel * outChannels + channel
      switch kind {
      case .panels(let tile, _):
        let depth = parameters.groupInputs
        let panelSize = parameters.taps * depth * run.panelWidth
        var task = rbn_conv_task(
          rows: rows, input: rows == nil ? window.input + firstPixel * parameters.inChannels : nil,
          input_stride: parameters.inChannels, channel_offset: group * depth, taps: parameters.taps,
          depth: depth, pixels: count, channels: channels,
          weights: UnsafePointer(weights.start) + (group * run.panels + panel) * panelSize, output: target,
          output_stride: outChannels, epilogue: e)
        tile.function(&task)
      case .depthwise(let function, let stride):
        var task = rbn_depthwise_task(
          rows: rows, taps: parameters.taps, multiplier: parameters.groupOutputs, pixels: count,
          channels: channels, weights: UnsafePointer(weights.start), weights_stride: stride, output: target,
          output_stride: outChannels, epilogue: e)
        function(&task)
      }
    }
  }

  /// Adds the blocks' sums in the order of the pixels.
  private func reduce(
    _ partial: UnsafeMutablePointer<Double>, _ run: Run, into sums: UnsafeMutablePointer<Double>
  ) {
    let channels = parameters.outChannels
    for instance in 0..<run.instances {
      let total = sums + instance * channels
      total.update(repeating: 0, count: channels)
      for block in 0..<run.blocks {
        let row = partial + (instance * run.blocks + block) * channels
        for c in 0..<channels { total[c] += row[c] }
      }
    }
  }
}
