import CRBNKernels

/// The kernels to use on one machine: plain defaults, overwritten by what its features allow.
package struct KernelTable: Sendable {
  package typealias ConvFunction = @Sendable @convention(c) (UnsafePointer<rbn_conv_task>?) -> Void
  package typealias DepthwiseFunction = @Sendable @convention(c) (UnsafePointer<rbn_depthwise_task>?) -> Void
  package typealias MaxPoolFunction = @Sendable @convention(c) (UnsafePointer<rbn_pool_task>?) -> Void
  package typealias MeanPoolFunction = @Sendable @convention(c) (UnsafePointer<rbn_pool_task>?, Float) -> Void
  package typealias ChannelSumsFunction =
    @Sendable @convention(c) (UnsafePointer<Float>?, Int, Int, Int, UnsafeMutablePointer<Double>?) -> Void
  package typealias SoftmaxFunction =
    @Sendable @convention(c) (UnsafePointer<Float>?, Int, Int, UnsafeMutablePointer<Float>?) -> Void
  package typealias RowNormFunction = @Sendable @convention(c) (UnsafePointer<rbn_row_norm_task>?) -> Void
  package typealias BlendFunction = @Sendable @convention(c) (UnsafePointer<rbn_blend_task>?) -> Void
  package typealias AffineFunction = @Sendable @convention(c) (UnsafePointer<rbn_affine_task>?) -> Void
  package typealias CalibrateFunction =
    @Sendable @convention(c) (UnsafePointer<rbn_calibration_task>?) -> Void
  package typealias WindowMeansFunction =
    @Sendable @convention(c) (
      UnsafePointer<rbn_window>?, UnsafePointer<Double>?, UnsafeMutablePointer<Double>?,
      UnsafeMutablePointer<Float>?
    ) -> Void
  package typealias WinogradInputFunction =
    @Sendable @convention(c) (UnsafePointer<rbn_winograd_input_task>?) -> Void
  package typealias WinogradOutputFunction =
    @Sendable @convention(c) (UnsafePointer<rbn_winograd_output_task>?) -> Void
  package typealias UnaryFunction =
    @Sendable @convention(c) (UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int, rbn_activation) ->
    Void
  package typealias BinaryFunction = @Sendable @convention(c) (UnsafePointer<rbn_binary_task>?) -> Void
  package typealias BinaryScalarFunction =
    @Sendable @convention(c) (
      Int32, Int32, UnsafePointer<Float>?, Float, UnsafeMutablePointer<Float>?, Int
    ) -> Void
  package typealias TransposeFunction =
    @Sendable @convention(c) (UnsafePointer<Float>?, Int, Int, Int, UnsafeMutablePointer<Float>?, Int) -> Void

  /// A function of one kernel, and the instruction set that it is written in.
  package struct Entry<Function: Sendable>: Sendable {
    package var function: Function
    package var instructionSet: InstructionSet
  }

  /// A convolution micro-kernel and the tile of outputs that it keeps in registers.
  package struct ConvTile: Sendable {
    package var pixels: Int
    /// Output channels in a panel of packed weights.
    package var channels: Int
    package var function: ConvFunction
    package var instructionSet: InstructionSet
    package var vectorLength: Int

    /// Time for one output pixel of `channels` outputs, up to a factor: multiply-adds, the padded ones too, and loads.
    package func cost(channels count: Int) -> Double {
      let padded = Double((count + channels - 1) / channels * channels)
      let vectors = Double(channels / vectorLength)
      return padded * (1 + 0.3 * (Double(pixels) + vectors) / (Double(pixels) * vectors))
    }
  }

  /// The best instruction set that was allowed.
  package private(set) var instructionSet = InstructionSet.portable
  /// Lanes of a vector of the depthwise and grouped kernels; depthwise weights are padded to a multiple.
  package private(set) var depthwiseLanes = 4
  package private(set) var convTiles: [ConvTile]
  package private(set) var depthwise = portable(rbn_depthwise_portable as DepthwiseFunction)
  package private(set) var grouped = portable(rbn_grouped_portable as DepthwiseFunction)
  package private(set) var maxPool = portable(rbn_max_pool_portable as MaxPoolFunction)
  package private(set) var meanPool = portable(rbn_mean_pool_portable as MeanPoolFunction)
  package private(set) var channelSums = portable(rbn_channel_sums_portable as ChannelSumsFunction)
  package private(set) var calibrate = portable(rbn_calibrate_portable as CalibrateFunction)
  package private(set) var channelSquares = portable(rbn_channel_squares_portable as ChannelSumsFunction)
  package private(set) var rowNorm = portable(rbn_row_norm_portable as RowNormFunction)
  package private(set) var softmaxRows = portable(rbn_softmax_rows_portable as SoftmaxFunction)
  package private(set) var blend = portable(rbn_blend_portable as BlendFunction)
  package private(set) var affine = portable(rbn_affine_portable as AffineFunction)
  package private(set) var windowMeans = portable(rbn_window_means_portable as WindowMeansFunction)
  package private(set) var winogradInput = portable(rbn_winograd_input_portable as WinogradInputFunction)
  package private(set) var winogradOutput = portable(rbn_winograd_output_portable as WinogradOutputFunction)
  package private(set) var unary = portable(rbn_unary_portable as UnaryFunction)
  package private(set) var binary = portable(rbn_binary_portable as BinaryFunction)
  package private(set) var binaryScalar = portable(rbn_binary_scalar_portable as BinaryScalarFunction)
  package private(set) var transpose = portable(rbn_transpose_portable as TransposeFunction)

  private static func portable<F: Sendable>(_ function: F) -> Entry<F> {
    Entry(function: function, instructionSet: .portable)
  }

  /// The table of the best instruction set of this machine.
  package static let best = table(for: .best)

  /// The fastest kernels that need no more than `instructionSet`; those of a set that the machine lacks are left out.
  package static func table(for instructionSet: InstructionSet) -> KernelTable {
    var table = KernelTable()
    #if arch(x86_64)
      if instructionSet >= .avx2, InstructionSet.available.contains(.avx2) { table.useAVX2() }
      if instructionSet >= .avx512, InstructionSet.available.contains(.avx512) { table.useAVX512() }
    #endif
    return table
  }

  private init() {
    func tile(_ pixels: Int, _ channels: Int, _ function: @escaping ConvFunction) -> ConvTile {
      ConvTile(
        pixels: pixels, channels: channels, function: function, instructionSet: .portable, vectorLength: 4)
    }
    #if arch(arm64)
      convTiles = [tile(6, 16, rbn_conv_6x16_portable), tile(8, 4, rbn_conv_8x4_portable)]
    #else
      // 16 vector registers: the larger tile would spill.
      convTiles = [tile(4, 8, rbn_conv_4x8_portable), tile(8, 4, rbn_conv_8x4_portable)]
    #endif
  }

  #if arch(x86_64)
    private mutating func useAVX2() {
      instructionSet = .avx2
      depthwiseLanes = 8
      func tile(_ pixels: Int, _ channels: Int, _ function: @escaping ConvFunction) -> ConvTile {
        ConvTile(
          pixels: pixels, channels: channels, function: function, instructionSet: .avx2, vectorLength: 8)
      }
      convTiles = [
        tile(6, 16, rbn_conv_6x16_avx2), tile(8, 8, rbn_conv_8x8_avx2),
      ]
      depthwise = Entry(function: rbn_depthwise_avx2, instructionSet: .avx2)
      grouped = Entry(function: rbn_grouped_avx2, instructionSet: .avx2)
      maxPool = Entry(function: rbn_max_pool_avx2, instructionSet: .avx2)
      meanPool = Entry(function: rbn_mean_pool_avx2, instructionSet: .avx2)
      channelSums = Entry(function: rbn_channel_sums_avx2, instructionSet: .avx2)
      calibrate = Entry(function: rbn_calibrate_avx2, instructionSet: .avx2)
      channelSquares = Entry(function: rbn_channel_squares_avx2, instructionSet: .avx2)
      rowNorm = Entry(function: rbn_row_norm_avx2, instructionSet: .avx2)
      softmaxRows = Entry(function: rbn_softmax_rows_avx2, instructionSet: .avx2)
      blend = Entry(function: rbn_blend_avx2, instructionSet: .avx2)
      affine = Entry(function: rbn_affine_avx2, instructionSet: .avx2)
      windowMeans = Entry(function: rbn_window_means_avx2, instructionSet: .avx2)
      winogradInput = Entry(function: rbn_winograd_input_avx2, instructionSet: .avx2)
      winogradOutput = Entry(function: rbn_winograd_output_avx2, instructionSet: .avx2)
      unary = Entry(function: rbn_unary_avx2, instructionSet: .avx2)
      binary = Entry(function: rbn_binary_avx2, instructionSet: .avx2)
      binaryScalar = Entry(function: rbn_binary_scalar_avx2, instructionSet: .avx2)
      transpose = Entry(function: rbn_transpose_avx2, instructionSet: .avx2)
    }

    private mutating func useAVX512() {
      instructionSet = .avx512
      depthwiseLanes = 16
      func tile(_ pixels: Int, _ channels: Int, _ function: @escaping ConvFunction) -> ConvTile {
        ConvTile(
          pixels: pixels, channels: channels, function: function, instructionSet: .avx512, vectorLength: 16)
      }
      convTiles = [
        tile(6, 64, rbn_conv_6x64_avx512), tile(8, 48, rbn_conv_8x48_avx512),
        tile(8, 32, rbn_conv_8x32_avx512), tile(8, 16, rbn_conv_8x16_avx512),
      ]
      depthwise = Entry(function: rbn_depthwise_avx512, instructionSet: .avx512)
      grouped = Entry(function: rbn_grouped_avx512, instructionSet: .avx512)
      maxPool = Entry(function: rbn_max_pool_avx512, instructionSet: .avx512)
      meanPool = Entry(function: rbn_mean_pool_avx512, instructionSet: .avx512)
      channelSums = Entry(function: rbn_channel_sums_avx512, instructionSet: .avx512)
      calibrate = Entry(function: rbn_calibrate_avx512, instructionSet: .avx512)
      channelSquares = Entry(function: rbn_channel_squares_avx512, instructionSet: .avx512)
      rowNorm = Entry(function: rbn_row_norm_avx512, instructionSet: .avx512)
      softmaxRows = Entry(function: rbn_softmax_rows_avx512, instructionSet: .avx512)
      blend = Entry(function: rbn_blend_avx512, instructionSet: .avx512)
      affine = Entry(function: rbn_affine_avx512, instructionSet: .avx512)
      windowMeans = Entry(function: rbn_window_means_avx512, instructionSet: .avx512)
      winogradInput = Entry(function: rbn_winograd_input_avx512, instructionSet: .avx512)
      winogradOutput = Entry(function: rbn_winograd_output_avx512, instructionSet: .avx512)
      unary = Entry(function: rbn_unary_avx512, instructionSet: .avx512)
      binary = Entry(function: rbn_binary_avx512, instructionSet: .avx512)
      binaryScalar = Entry(function: rbn_binary_scalar_avx512, instructionSet: .avx512)
      transpose = Entry(function: rbn_transpose_avx512, instructionSet: .avx512)
    }
  #endif

  /// The tile that computes `channels` output channels in the least time; the earlier of equals.
  package func convTile(channels: Int) -> ConvTile {
    var best = convTiles[0]
    for tile in convTiles.dropFirst() where tile.cost(channels: channels) < best.cost(channels: channels) {
      best = tile
    }
    return best
  }
}

extension KernelTable: CustomStringConvertible {
  /// One line a kernel: its name and the instruction set that it is written in.
  package var description: String {
    let tiles = convTiles.map { ("conv2d \($0.pixels)x\($0.channels)", $0.instructionSet) }
    let rest = [
      ("depthwise", depthwise.instructionSet), ("grouped", grouped.instructionSet),
      ("max_pool", maxPool.instructionSet),
      ("mean_pool", meanPool.instructionSet), ("channel_sums", channelSums.instructionSet),
      ("channel_squares", channelSquares.instructionSet), ("row_norm", rowNorm.instructionSet),
      ("softmax_rows", softmaxRows.instructionSet), ("blend", blend.instructionSet),
      ("calibrate", calibrate.instructionSet), ("instance_affine", affine.instructionSet),
      ("window_means", windowMeans.instructionSet), ("winograd_input", winogradInput.instructionSet),
      ("winograd_output", winogradOutput.instructionSet), ("unary", unary.instructionSet),
      ("binary", binary.instructionSet), ("binary_scalar", binaryScalar.instructionSet),
      ("transpose", transpose.instructionSet),
    ]
    return (tiles + rest).map { "\($0.0): \($0.1)" }.joined(separator: "\n")
  }
}
