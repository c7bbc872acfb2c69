import RBNTensor

/// Interleaved 8-bit pixels, rows from top to bottom without padding.
struct PixelBuffer: Sendable {
  let width: Int
  let height: Int
  let channels: Int
  let storage: TensorStorage

  /// The largest result or intermediate that processing may ask memory for.
  static let maximumPixelCount = 178_956_970

  /// Allocates a buffer and lets `body` write its bytes, all of them.
  ///
  /// - Throws: `image.invalid-dimensions`, `system.out-of-memory`, and what `body` throws.
  init(
    width: Int, height: Int, channels: Int,
    initializingWith body: (UnsafeMutablePointer<UInt8>) throws -> Void
  ) throws {
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    let (byteCount, overflow2) = pixels.multipliedReportingOverflow(by: channels)
    guard width > 0, height > 0, channels > 0, !overflow, !overflow2 else {
      throw RBNError(.imageInvalidDimensions, .input, "an image of \(width)×\(height) pixels is impossible")
    }
    self.width = width
    self.height = height
    self.channels = channels
    storage = try TensorStorage(byteCount: byteCount)
    guard let base = storage.bytes.baseAddress else {
      throw RBNError(.outOfMemory, .system, "the machine did not give \(byteCount) bytes of memory")
    }
    try body(base.bindMemory(to: UInt8.self, capacity: byteCount))
  }

  /// Refuses a result or intermediate that is larger than any image may be.
  ///
  /// - Throws: `image.resize-too-large`.
  func requireAffordable(columns: Int, rows: Int) throws {
    let (pixels, overflow) = columns.multipliedReportingOverflow(by: rows)
    guard !overflow, pixels <= max(Self.maximumPixelCount, width * height) else {
      throw RBNError(
        .imageResizeTooLarge, .input,
        "resizing \(width)×\(height) pixels as asked needs an image of \(columns)×\(rows) pixels",
        advice: "crop the image, or resize it to fewer pixels")
    }
  }

  var bytesPerRow: Int { width &* channels }

  /// Calls `body` with the first byte; the bytes live as long as the call.
  func withBytes<Result>(_ body: (UnsafePointer<UInt8>) throws -> Result) throws -> Result {
    try withExtendedLifetime(storage) {
      guard let base = storage.bytes.baseAddress else {
        throw RBNError(.imageInvalidDimensions, .input, "an image without pixels")
      }
      return try body(UnsafePointer(base.assumingMemoryBound(to: UInt8.self)))
    }
  }
}
