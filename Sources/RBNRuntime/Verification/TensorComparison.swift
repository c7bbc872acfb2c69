/// How a tensor differs from the one expected, over all elements.
public struct TensorComparison: Codable, Hashable, Sendable {
  /// What the tensor is in the network.
  public enum Kind: String, Codable, Hashable, Sendable {
    /// What a module of the PyTorch network returns.
    case layer
    /// What the network returns.
    case output
  }

  /// How often the classes with the largest scores agree, of a tensor of shape (N, classes).
  public struct ClassAgreement: Codable, Hashable, Sendable {
    /// The number of rows, N.
    public var rows: Int
    /// The rows whose largest score is at the same class.
    public var sameFirst: Int
    /// The rows whose five largest scores are at the same set of classes.
    public var sameFive: Int
  }

  /// The output's name, or the module's path, with `#1` for its second call.
  public var name: String
  /// What the tensor is.
  public var kind: Kind
  /// The shape of both tensors.
  public var shape: [Int]
  /// The largest |expected|.
  public var largestExpected: Double
  /// The largest |actual − expected|.
  public var largestDifference: Double
  /// The largest |actual − expected| / |expected|, over the elements that are not expected to be 0.
  public var largestRelativeDifference: Double
  /// The number of elements beyond the tolerance. NaN agrees with NaN alone, an infinity with itself alone.
  public var beyondTolerance: Int
  /// The cosine of the angle between the two as vectors; 1 when both are 0.
  public var cosine: Double
  /// For outputs of shape (N, classes).
  public var classes: ClassAgreement?

  /// Whether every element is within the tolerance.
  public var passed: Bool { beyondTolerance == 0 }

  /// Compares two tensors of the same shape.
  init(name: String, kind: Kind, actual: Tensor, expected: Tensor, tolerance: Tolerance) {
    self.name = name
    self.kind = kind
    shape = expected.shape.dimensions
    let (a, e) = (actual.doubles, expected.doubles)
    let largest = e.reduce(0) { $1.isFinite ? max($0, abs($1)) : $0 }
    largestExpected = largest
    largestDifference = 0
    largestRelativeDifference = 0
    beyondTolerance = 0
    var (dot, squaredA, squaredE) = (0.0, 0.0, 0.0)
    for (a, e) in zip(a, e) {
      if !a.isFinite || !e.isFinite {
        if a != e, !(a.isNaN && e.isNaN) {
          beyondTolerance += 1
          largestDifference = .infinity
        }
        continue
      }
      let difference = abs(a - e)
      largestDifference = max(largestDifference, difference)
      if e != 0 { largestRelativeDifference = max(largestRelativeDifference, difference / abs(e)) }
      let limit = tolerance.absolute + tolerance.relative * abs(e) + tolerance.ofLargest * largest
      if difference > limit { beyondTolerance += 1 }
      dot += a * e
      squaredA += a * a
      squaredE += e * e
    }
    let product = squaredA.squareRoot() * squaredE.squareRoot()
    cosine = product > 0 ? dot / product : squaredA == squaredE ? 1 : 0
    if kind == .output, shape.count == 2, shape[1] > 1 {
      classes = Self.agreement(a, e, rows: shape[0], classes: shape[1])
    }
  }

  private static func agreement(_ a: [Double], _ e: [Double], rows: Int, classes: Int) -> ClassAgreement {
    var agreement = ClassAgreement(rows: rows, sameFirst: 0, sameFive: 0)
    func largest(_ values: [Double], _ row: Int) -> [Int] {
      let start = row * classes
      let order = (0..<classes).sorted {
        let (x, y) = (values[start + $0], values[start + $1])
        return x != y ? x > y : $0 < $1
      }
      return Array(order.prefix(5))
    }
    for row in 0..<rows {
      let (ours, theirs) = (largest(a, row), largest(e, row))
      if ours.first == theirs.first { agreement.sameFirst += 1 }
      if Set(ours) == Set(theirs) { agreement.sameFive += 1 }
    }
    return agreement
  }
}
