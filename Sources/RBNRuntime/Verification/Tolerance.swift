/// How far an element may be from the expected one e: `absolute + relative · |e| + ofLargest · max |e|`, the maximum
/// taken over the tensor.
///
/// The last term is the one that means something for any network: rounding errors of a layer are of the size of its
/// largest values, also in its small ones.
public struct Tolerance: Codable, Hashable, Sendable {
  /// In the tensor's own unit.
  public var absolute: Double
  /// Of the expected element.
  public var relative: Double
  /// Of the tensor's largest expected magnitude.
  public var ofLargest: Double

  /// Makes a tolerance; by default 1e-4 of the largest magnitude.
  public init(absolute: Double = 0, relative: Double = 0, ofLargest: Double = 1e-4) {
    self.absolute = absolute
    self.relative = relative
    self.ofLargest = ofLargest
  }

  /// - Throws: `usage.invalid-option` for a term that is negative or not finite.
  func validate() throws {
    for term in [absolute, relative, ofLargest] where !(term >= 0 && term.isFinite) {
      throw RBNError(.invalidOption, .usage, "a tolerance of \(term) is not a number from 0 upwards")
    }
  }
}
