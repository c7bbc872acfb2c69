import RBNTensor

extension ImagePreprocessing {
  /// The input tensor of one image: float32 of shape (1, C, H, W), each value (x/255 − mean) / std, rounded after
  /// each of the three operations as `ToTensor` and `Normalize` do.
  ///
  /// - Throws: `preprocessing.invalid`, `image.resize-too-large`, `system.out-of-memory`.
  public func tensor(for image: RGBImage) throws -> Tensor {
    try tensor(for: [image])
  }

  /// The input tensor of several images: float32 of shape (N, C, H, W).
  ///
  /// - Throws: As for one image; `preprocessing.shape-mismatch` when the images give different H or W, or when
  ///   there is none.
  public func tensor(for images: [RGBImage]) throws -> Tensor {
    guard let first = images.first else {
      throw RBNError(.preprocessingShapeMismatch, .input, "no image was given")
    }
    let size = try outputSize(for: first)
    for (index, image) in images.enumerated().dropFirst() where fixedSize == nil {
      let other = try outputSize(for: image)
      guard other == size else {
        throw RBNError(
          .preprocessingShapeMismatch, .input, location: "image \(index)",
          "it becomes \(other.height)×\(other.width), but the first image of the batch \(size.height)×\(size.width)",
          advice: "give the preprocessing a crop or a squash, or run the images one by one")
      }
    }
    let shape = Shape([images.count, channels, size.height, size.width])
    return try Tensor(shape: shape) { bytes in
      let floats = bytes.bindMemory(to: Float.self)
      let slot = floats.count / images.count
      for (index, image) in images.enumerated() {
        let part = UnsafeMutableBufferPointer(rebasing: floats[(index * slot)..<((index + 1) * slot)])
        try write(image, into: part)
      }
    }
  }

  /// The height and width that an image will have.
  ///
  /// - Throws: `preprocessing.invalid`; `image.resize-too-large` when the resize makes a side absurdly long.
  public func outputSize(for image: RGBImage) throws -> Size {
    try validate()
    if let crop { return crop }
    return try resizedSize(of: orientedSize(of: image))
  }

  /// Writes one image's planes, C·H·W floats, into a slot of the caller's batch.
  ///
  /// - Throws: As ``tensor(for:)-(RGBImage)``; `preprocessing.shape-mismatch` when the buffer is not that large.
  public func write(_ image: RGBImage, into buffer: UnsafeMutableBufferPointer<Float>) throws {
    try validate()
    let resized = try resizedSize(of: orientedSize(of: image))
    let rows =
      crop.map { CenterCrop(size: resized.height, crop: $0.height) } ?? CenterCrop(whole: resized.height)
    let columns =
      crop.map { CenterCrop(size: resized.width, crop: $0.width) } ?? CenterCrop(whole: resized.width)
    let (area, overflow) = rows.count.multipliedReportingOverflow(by: columns.count)
    let (needed, overflow2) = area.multipliedReportingOverflow(by: channels)
    guard !overflow, !overflow2, buffer.count == needed else {
      throw RBNError(
        .preprocessingShapeMismatch, .usage,
        "a buffer of \(buffer.count) floats was given for \(channels)×\(rows.count)×\(columns.count)")
    }
    try image.buffer.requireAffordable(columns: columns.kept.count, rows: rows.kept.count)

    var pixels = image.buffer
    if appliesEXIFOrientation { pixels = try image.orientation.upright(pixels) }
    if channels == 1 { pixels = try Luma.convert(pixels) }
    pixels = try pixels.resized(
      width: resized.width, height: resized.height, columns: columns.kept, rows: rows.kept,
      interpolation: interpolation)
    try normalize(pixels, rows: rows, columns: columns, into: buffer)
  }

  private func orientedSize(of image: RGBImage) -> Size {
    appliesEXIFOrientation && image.orientation.swapsSides
      ? Size(height: image.width, width: image.height) : Size(height: image.height, width: image.width)
  }

  /// The size after the resize.
  private func resizedSize(of size: Size) throws -> Size {
    switch resize {
    case .none: return size
    case .squash(let height, let width): return Size(height: height, width: width)
    case .shorterEdge(let edge):
      let short = min(size.height, size.width)
      let long = max(size.height, size.width)
      // Python's int(edge * long / short): an exact product, one rounded division, truncation.
      let quotient = Double(edge) * Double(long) / Double(short)
      guard quotient <= Double(PixelBuffer.maximumPixelCount) else {
        throw RBNError(
          .imageResizeTooLarge, .input,
          "resizing the shorter edge of \(size.width)×\(size.height) pixels to \(edge) makes the longer one "
            + "longer than \(PixelBuffer.maximumPixelCount)",
          advice: "crop the image first")
      }
      let scaled = Int(quotient)
      return size.width <= size.height
        ? Size(height: scaled, width: edge) : Size(height: edge, width: scaled)
    }
  }

  /// Separates the channels, scales, and surrounds with black what the crop exceeds.
  private func normalize(
    _ pixels: PixelBuffer, rows: CenterCrop, columns: CenterCrop,
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws {
    let plane = rows.count * columns.count
    try pixels.withBytes { bytes in
      guard let out = buffer.baseAddress else { return }
      for channel in 0..<channels {
        let values = (0...255).map { (Float($0) / 255 - mean[channel]) / standardDeviation[channel] }
        values.withUnsafeBufferPointer { values in
          let to = out + channel * plane
          if plane != pixels.width * pixels.height { to.update(repeating: values[0], count: plane) }
          for y in 0..<pixels.height {
            let from = bytes + (y * pixels.bytesPerRow + channel)
            let row = to + ((y + rows.before) * columns.count + columns.before)
            for x in 0..<pixels.width { row[x] = values[Int(from[x &* channels])] }
          }
        }
      }
    }
  }
}
