import CRBNKernels
import RBNTensor

/// ``WinogradConv2d`` cut into blocks of tiles times runs of panels.
///
/// For each group of instances: the input transform of all tiles, shared by all threads; then, piece by piece, the
/// products of a block of tiles with some panels, and their output transform while they are in the cache.
struct WinogradConv2dPlan: PlannedConv2d {
  private let conv: WinogradConv2d
  private let problem: Conv2dProblem
  private let output: Conv2dParameters.Axes
  private let tilesX: Int
  /// Tiles of an image.
  private let tiles: Int
  /// Instances whose transformed inputs are in memory together.
  private let groupSize: Int
  /// Whether threads share the tiles rather than the panels: where all the weights take no more than a few times as much
  /// memory as all the inputs, of which each thread then reads its own.
  private let sharesTiles: Bool
  /// Blocks of an image, where it is cut into more than one; else a block is `blockImages` images.
  private let imageBlocks: Int
  private let blockImages: Int
  /// The most tiles of a block.
  private let blockTiles: Int
  /// Panels of a piece.
  private let panelRun: Int
  private let sums: PartialSums
  private let transformedBytes: Int
  private let productBytes: Int
  let scratchByteCount: Int

  /// Bytes of transformed inputs at a time.
  private static let transformedLimit = 8 << 20
  /// Bytes of products of a piece: what the second-level cache has room for beside weights and inputs.
  private static let productLimit = 240 << 10
  /// Keeps the elements of one tile out of each other's cache sets.
  private static let skew = 16
  private static let sumsTiles = RBN_WINOGRAD_SUMS_TILES
  private static let inputTiles = 8
  private static let inputChannels = 64

  /// Whether each piece of the work makes all pixels of its channels.
  var completesChannels: Bool { imageBlocks == 1 }
  private var elementStride: Int { groupSize * tiles * conv.parameters.inChannels + Self.skew }
  private var productStride: Int { blockTiles * conv.tile.channels + Self.skew }

  init(_ conv: WinogradConv2d, _ problem: Conv2dProblem) throws {
    self.conv = conv
    self.problem = problem
    let p = conv.parameters
    let m = conv.outputs
    output = try p.outputSize(height: problem.height, width: problem.width)
    tilesX = (output.width + m - 1) / m
    tiles = tilesX * ((output.height + m - 1) / m)
    let imageBytes = conv.elements * tiles * p.inChannels * MemoryLayout<Float>.size
    groupSize = max(min(problem.batch, Self.transformedLimit / max(imageBytes, 1)), 1)

    // A block of about 48 tiles keeps its inputs of one element in the first-level cache.
    let wanted = 48
    sharesTiles = problem.threads > 1 && 3 * groupSize * tiles >= p.outChannels
    let shares = sharesTiles && groupSize == 1 ? min(problem.threads, tiles / 12) : 1
    imageBlocks = max((tiles + wanted - 1) / wanted, shares, 1)
    blockImages = imageBlocks > 1 ? 1 : min(max(wanted / max(tiles, 1), 1), groupSize)
    let cut = Self.cut(tiles, into: imageBlocks)
    blockTiles = blockImages * ((0..<imageBlocks).map { cut($0).count }.max() ?? tiles)
    let blocks = imageBlocks > 1 ? groupSize * imageBlocks : (groupSize + blockImages - 1) / blockImages
    let panelBytes = conv.elements * blockTiles * conv.tile.channels * 4
    var run = max(min(Self.productLimit / max(panelBytes, 1), conv.panels), 1)
    // Enough pieces that the last ones keep no thread waiting for long.
    while run > 1, blocks * ((conv.panels + run - 1) / run) < 4 * problem.threads { run -= 1 }
    panelRun = run

    sums = PartialSums(rows: (tiles + Self.sumsTiles - 1) / Self.sumsTiles, channels: p.outChannels)
    let elementStride = groupSize * tiles * p.inChannels + Self.skew
    let productStride = blockTiles * conv.tile.channels + Self.skew
    transformedBytes = TensorStorage.aligned(conv.elements * elementStride * 4)
    productBytes = TensorStorage.aligned(panelRun * conv.elements * productStride * 4)
    scratchByteCount =
      transformedBytes + problem.threads * productBytes
      + (problem.collectsSums ? sums.byteCount(batch: problem.batch) : 0)
  }

  func run(
    input: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, epilogue: Conv2dEpilogue,
    scratch: UnsafeMutableRawPointer, pool: ThreadPool
  ) {
    let transformed = scratch.assumingMemoryBound(to: Float.self)
    let products = scratch + transformedBytes
    let partial =
      epilogue.sums == nil
      ? nil : (products + problem.threads * productBytes).assumingMemoryBound(to: Float.self)
    var first = 0
    while first < problem.batch {
      let instances = min(groupSize, problem.batch - first)
      transform(input, first, instances, transformed, pool)
      let blocks = blockCount(instances)
      let runs = (conv.panels + panelRun - 1) / panelRun
      pool.parallelFor(count: blocks * runs) { index, worker in
        let (run, block) = sharesTiles ? (index % runs, index / runs) : (index / blocks, index % blocks)
        piece(
          block, run, firstInstance: first, instances: instances, transformed, output: output, epilogue,
          partial: partial, products: (products + worker * productBytes).assumingMemoryBound(to: Float.self))
      }
      first += instances
    }
    if epilogue.completion == nil, let total = epilogue.sums, let partial {
      sums.reduce(partial, batch: problem.batch, into: total, table: conv.table)
    }
  }

  private func blockCount(_ instances: Int) -> Int {
    imageBlocks > 1 ? instances * imageBlocks : (instances + blockImages - 1) / blockImages
  }

  /// The tiles of a block of an image: about as many in each, and whole rows of sums.
  private static func cut(_ tiles: Int, into blocks: Int) -> (_ block: Int) -> Range<Int> {
    { block in
      let start = block * tiles / blocks / sumsTiles * sumsTiles
      return start..<(block + 1 == blocks ? tiles : (block + 1) * tiles / blocks / sumsTiles * sumsTiles)
    }
  }

  private func transform(
    _ input: UnsafePointer<Float>, _ first: Int, _ instances: Int, _ transformed: UnsafeMutablePointer<Float>,
    _ pool: ThreadPool
  ) {
    let p = conv.parameters
    let tileRuns = (tiles + Self.inputTiles - 1) / Self.inputTiles
    let channelRuns = (p.inChannels + Self.inputChannels - 1) / Self.inputChannels
    let function = conv.table.winogradInput.function
    let runs = instances * tileRuns
    pool.parallelFor(count: runs * channelRuns) { index, _ in
      let (run, channelRun) =
        sharesTiles ? (index / channelRuns, index % channelRuns) : (index % runs, index / runs)
      let (instance, tileRun) = run.quotientAndRemainder(dividingBy: tileRuns)
      let channel = channelRun * Self.inputChannels
      let tile = tileRun * Self.inputTiles
      let image = input + (first + instance) * problem.height * problem.width * p.inChannels
      var task = rbn_winograd_input_task(
        outputs: conv.outputs, input: image + channel, zeros: UnsafePointer(conv.zeros.start),
        pixel_stride: p.inChannels, height: problem.height, width: problem.width, padding_y: p.padding.height,
        padding_x: p.padding.width, tiles_x: tilesX, first: tile, count: min(Self.inputTiles, tiles - tile),
        channels: min(Self.inputChannels, p.inChannels - channel),
        output: transformed + (instance * tiles + tile) * p.inChannels + channel,
        element_stride: elementStride, tile_stride: p.inChannels)
      function(&task)
    }
  }

  private func piece(
    _ block: Int, _ run: Int, firstInstance: Int, instances: Int, _ transformed: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>, _ epilogue: Conv2dEpilogue, partial: UnsafeMutablePointer<Float>?,
    products: UnsafeMutablePointer<Float>
  ) {
    // The block's images, counted in the group, and its tiles in each of them.
    let images: Range<Int>, tileRange: Range<Int>
    if imageBlocks > 1 {
      let (instance, part) = block.quotientAndRemainder(dividingBy: imageBlocks)
      images = instance..<instance + 1
      tileRange = Self.cut(tiles, into: imageBlocks)(part)
    } else {
      images = block * blockImages..<min((block + 1) * blockImages, instances)
      tileRange = 0..<tiles
    }
    let panelRange = run * panelRun..<min((run + 1) * panelRun, conv.panels)
    let p = conv.parameters
    let firstTile = images.lowerBound * tiles + tileRange.lowerBound
    multiply(
      transformed + firstTile * p.inChannels, count: images.count * tileRange.count, panelRange, products)
    for (number, image) in images.enumerated() {
      for panel in panelRange {
        finish(
          instance: firstInstance + image, tileRange, panel: panel,
          products + (panel - panelRange.lowerBound) * conv.elements * productStride
            + number * tiles * conv.tile.channels, output, epilogue, partial)
      }
      if let completion = epilogue.completion, let partial {
        let width = conv.tile.channels
        completion.complete(
          instance: firstInstance + image,
          panelRange.lowerBound * width..<min(panelRange.upperBound * width, p.outChannels), partial, sums)
      }
    }
  }

  /// The products of some tiles with some panels, element by element: [panel][element][tile][channels of a panel].
  private func multiply(
    _ input: UnsafePointer<Float>, count: Int, _ panels: Range<Int>, _ products: UnsafeMutablePointer<Float>
  ) {
    let depth = conv.parameters.inChannels
    let width = conv.tile.channels
    var task = rbn_conv_task(
      rows: nil, input: nil, input_stride: depth, channel_offset: 0, taps: 1, depth: depth, pixels: count,
      channels: width, weights: nil, prefetch: nil, output: nil, output_stride: width,
      epilogue: rbn_epilogue())
    task.epilogue.activation = Activation.identity.kernel
    for element in 0..<conv.elements {
      task.input = input + element * elementStride
      for (number, panel) in panels.enumerated() {
        let weights =
          UnsafePointer(conv.weights.start) + (panel * conv.elements + element) * depth * width
        task.weights = weights
        // The next element of a panel lies behind this one.
        task.prefetch = element + 1 < conv.elements ? weights + depth * width : nil
        task.output = products + (number * conv.elements + element) * productStride
        conv.tile.function(&task)
      }
    }
  }

  /// The output transform of one image's tiles and one panel.
  private func finish(
    instance: Int, _ tileRange: Range<Int>, panel: Int, _ products: UnsafePointer<Float>,
    _ output: UnsafeMutablePointer<Float>, _ epilogue: Conv2dEpilogue, _ partial: UnsafeMutablePointer<Float>?
  ) {
    let channels = conv.parameters.outChannels
    let channel = panel * conv.tile.channels
    let count = min(conv.tile.channels, channels - channel)
    let firstPixel = instance * self.output.height * self.output.width
    var e = epilogue.kernel(
      bias: conv.bias, instance: instance, outChannels: channels, pixel: firstPixel, channel: channel)
    if let partial {
      let row = sums.row(instance, tileRange.lowerBound / Self.sumsTiles, in: partial) + channel
      for block in 0..<(tileRange.count + Self.sumsTiles - 1) / Self.sumsTiles {
        (row + block * channels).update(repeating: 0, count: count)
      }
      e.sums = row
      e.sums_stride = channels
    }
    var task = rbn_winograd_output_task(
      outputs: conv.outputs, input: products, element_stride: productStride, tile_stride: conv.tile.channels,
      tiles_x: tilesX, first: tileRange.lowerBound, count: tileRange.count, height: self.output.height,
      width: self.output.width, channels: count, output: output + firstPixel * channels + channel,
      output_stride: channels, epilogue: e)
    conv.table.winogradOutput.function(&task)
  }
}
