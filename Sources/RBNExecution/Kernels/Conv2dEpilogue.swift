/// What happens to the outputs of a convolution before they are stored.
///
/// In this order: v += bias (the packed one); v = v · scale + shift; v += residual; v = activation(v); sums += v.
/// Pointers are borrowed for the call.
package struct Conv2dEpilogue {
  /// Coefficients (N, C) of a per-instance affine map: the a and d of a Representative BatchNorm.
  package struct Affine {
    package var scale: UnsafePointer<Float>
    package var shift: UnsafePointer<Float>

    package init(scale: UnsafePointer<Float>, shift: UnsafePointer<Float>) {
      self.scale = scale
      self.shift = shift
    }
  }

  package var activation: Activation
  /// (N, H, W, C), the layout of the output; may be the output itself.
  package var residual: UnsafePointer<Float>?
  package var affine: Affine?
  /// (N, C); receives Σ over H and W of what is stored.
  package var sums: UnsafeMutablePointer<Double>?

  /// What to do with channels as soon as all their pixels are stored and summed; needs `sums`, and a plan that
  /// ``PlannedConv2d/completesChannels``.
  var completion: ChannelCompletion?

  /// An epilogue that only adds the bias, unless told otherwise.
  package init(
    activation: Activation = .identity, residual: UnsafePointer<Float>? = nil, affine: Affine? = nil,
    sums: UnsafeMutablePointer<Double>? = nil
  ) {
    self.activation = activation
    self.residual = residual
    self.affine = affine
    self.sums = sums
  }
}
