extension Array {
  /// An array of `count` elements, which `body` writes, all of them.
  ///
  /// - Throws: what `body` throws.
  package init(
    count: Int, filledBy body: (UnsafeMutableBufferPointer<Element>) throws -> Void
  ) rethrows {
    // Room for one at least: without any, the initialiser would write to the one empty array of the process, from several
    // threads at once.
    self = try Array(unsafeUninitializedCapacity: Swift.max(count, 1)) { buffer, written in
      try body(UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
      written = count
    }
  }
}
