/// One axis of torchvision's `center_crop`: which part of the image is taken, and how many zeros go around it.
struct CenterCrop: Hashable {
  /// The part of the image that is kept.
  let kept: Range<Int>
  /// Zeros before it.
  let before: Int
  /// Zeros after it.
  let after: Int

  /// Crops an axis of `size` pixels to `crop`, or pads it when it is shorter.
  ///
  /// The offset (size − crop) / 2 is rounded half to even, as Python's `round` does.
  init(size: Int, crop: Int) {
    if crop > size {
      kept = 0..<size
      before = (crop - size) / 2
      after = (crop - size + 1) / 2
    } else {
      let offset = Int((Double(size - crop) / 2).rounded(.toNearestOrEven))
      kept = offset..<(offset + crop)
      before = 0
      after = 0
    }
  }

  /// The whole axis.
  init(whole size: Int) {
    kept = 0..<size
    before = 0
    after = 0
  }

  /// The number of pixels after cropping and padding.
  var count: Int { before + kept.count + after }
}
