import RBNTensor

/// y = x · Wᵀ + b with packed weights: a pointwise convolution whose pixels are the batch.
///
/// With one row it reads the weights once, in order, and is as fast as memory; each row's result is the same in every
/// batch.
package final class PackedLinear: Sendable {
  /// The features of a row of y.
  package var outFeatures: Int { conv.parameters.outChannels }
  let conv: PackedConv2d

  /// Packs weights.
  ///
  /// - Parameters:
  ///   - weight: (outFeatures, inFeatures).
  ///   - bias: (outFeatures), or `nil` for none.
  /// - Throws: `kernel.invalid-convolution`, `system.out-of-memory`.
  package init(weight: Tensor, bias: Tensor?, table: KernelTable) throws {
    guard weight.shape.rank == 2 else {
      throw RBNError(.invalidConvolution, .model, "linear weights have shape \(weight.shape), not (out, in)")
    }
    conv = try PackedConv2d(
      weight: weight.reshaped(to: [weight.shape[0], weight.shape[1], 1, 1]), bias: bias,
      parameters: Conv2dParameters(
        inChannels: weight.shape[1], outChannels: weight.shape[0], kernel: .init(1)),
      table: table)
  }

  /// The bytes that packed weights and bias take.
  package var byteCount: Int { conv.byteCount }

  /// Decides how the work for `batch` rows is cut into pieces.
  package func plan(batch: Int, threads: Int) throws -> any PlannedConv2d {
    try conv.plan(Conv2dProblem(batch: batch, height: 1, width: 1, threads: threads))
  }
}
