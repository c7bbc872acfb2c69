import RBNTensor

/// How an image becomes a network's input: orientation, grey, resize, centre crop, normalisation, in this order.
///
/// Each step computes what Pillow and torchvision compute, to the last bit.
public struct ImagePreprocessing: Sendable, Hashable {
  /// The resize, before the crop.
  public enum Resize: Sendable, Hashable {
    /// The image stays as large as it is.
    case none
    /// The shorter edge becomes this long; the longer one int(edge · long / short), as torchvision's `Resize(int)`.
    case shorterEdge(Int)
    /// Both edges are given; the aspect ratio is lost.
    case squash(height: Int, width: Int)
  }

  /// A size in pixels.
  public struct Size: Sendable, Hashable {
    /// The number of rows.
    public var height: Int
    /// The number of columns.
    public var width: Int

    /// Makes a size.
    public init(height: Int, width: Int) {
      self.height = height
      self.width = width
    }
  }

  /// The resize, before the crop.
  public var resize: Resize
  /// The filter of the resize.
  public var interpolation: Interpolation
  /// The centre crop, as torchvision's `CenterCrop`; where the image is smaller, black surrounds it.
  public var crop: Size?
  /// What is subtracted from each channel, in units of 0…1.
  public var mean: [Float]
  /// What each channel is then divided by, in units of 0…1.
  public var standardDeviation: [Float]
  /// 3 for RGB, 1 for grey (Pillow's `convert("L")`, before the resize).
  public var channels: Int
  /// Whether the image is first turned upright by its EXIF orientation, as `ImageOps.exif_transpose` does.
  public var appliesEXIFOrientation: Bool

  /// Makes a preprocessing. Without `mean` and `standardDeviation` the values stay in 0…1.
  public init(
    resize: Resize = .none, interpolation: Interpolation = .bilinear, crop: Size? = nil, mean: [Float]? = nil,
    standardDeviation: [Float]? = nil, channels: Int = 3, appliesEXIFOrientation: Bool = false
  ) {
    self.resize = resize
    self.interpolation = interpolation
    self.crop = crop
    self.mean = mean ?? [Float](repeating: 0, count: channels == 1 ? 1 : 3)
    self.standardDeviation = standardDeviation ?? [Float](repeating: 1, count: channels == 1 ? 1 : 3)
    self.channels = channels
    self.appliesEXIFOrientation = appliesEXIFOrientation
  }

  /// The mean of ImageNet's channels, which torchvision's and most of timm's models are trained with.
  public static let imageNetMean: [Float] = [0.485, 0.456, 0.406]
  /// The standard deviation of ImageNet's channels.
  public static let imageNetStandardDeviation: [Float] = [0.229, 0.224, 0.225]

  /// torchvision's classification models: shorter edge to 256 (bilinear), centre 224×224, ImageNet statistics.
  public static let torchvision = ImagePreprocessing(
    resize: .shorterEdge(256), interpolation: .bilinear, crop: Size(height: 224, width: 224),
    mean: imageNetMean, standardDeviation: imageNetStandardDeviation)

  /// timm's evaluation transform with `crop_mode="center"`: shorter edge to floor(size / cropPercentage), then
  /// the centre `size` × `size`.
  ///
  /// A `cropPercentage` outside (0, 1] or a `size` below 1 gives a preprocessing that ``validate()`` refuses.
  public static func timm(
    size: Int, cropPercentage: Double = 0.875, interpolation: Interpolation = .bicubic,
    mean: [Float] = imageNetMean, standardDeviation: [Float] = imageNetStandardDeviation
  ) -> ImagePreprocessing {
    let edge = (Double(size) / cropPercentage).rounded(.down)
    let isSensible = cropPercentage > 0 && cropPercentage <= 1 && edge >= 1 && edge <= Double(largestSide)
    return ImagePreprocessing(
      resize: .shorterEdge(isSensible ? Int(edge) : 0), interpolation: interpolation,
      crop: Size(height: size, width: size), mean: mean, standardDeviation: standardDeviation)
  }

  /// The largest side that may be asked for.
  static let largestSide = 1 << 16

  /// Checks that every value makes sense.
  ///
  /// - Throws: `preprocessing.invalid`, of subject usage, naming the value.
  public func validate() throws {
    guard channels == 1 || channels == 3 else { throw invalid("channels is \(channels); it must be 1 or 3") }
    switch resize {
    case .none: break
    case .shorterEdge(let edge): try checkSide(edge, "the shorter edge to resize to")
    case .squash(let height, let width):
      try checkSide(height, "the height to resize to")
      try checkSide(width, "the width to resize to")
    }
    if let crop {
      try checkSide(crop.height, "the height of the crop")
      try checkSide(crop.width, "the width of the crop")
    }
    if let size = fixedSize, size.height * size.width > PixelBuffer.maximumPixelCount {
      throw invalid("\(size.height)×\(size.width) pixels are more than \(PixelBuffer.maximumPixelCount)")
    }
    guard mean.count == channels else {
      throw invalid("mean has \(mean.count) values for \(channels) channels")
    }
    guard standardDeviation.count == channels else {
      throw invalid("the standard deviation has \(standardDeviation.count) values for \(channels) channels")
    }
    guard mean.allSatisfy(\.isFinite) else { throw invalid("mean has a value that is not finite: \(mean)") }
    guard standardDeviation.allSatisfy({ $0.isFinite && $0 > 0 }) else {
      throw invalid(
        "the standard deviation has a value that is not finite and positive: \(standardDeviation)")
    }
  }

  /// The size of the result when it is the same for every image: that of the crop, or else of the squash.
  public var fixedSize: Size? {
    if let crop { return crop }
    if case .squash(let height, let width) = resize { return Size(height: height, width: width) }
    return nil
  }

  private func checkSide(_ side: Int, _ name: String) throws {
    guard side >= 1, side <= Self.largestSide else {
      throw invalid("\(name) is \(side); it must be between 1 and \(Self.largestSide)")
    }
  }

  private func invalid(_ message: String) -> RBNError {
    RBNError(.invalidPreprocessing, .usage, "the preprocessing is not valid: \(message)")
  }
}
