#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// One class that an image may show.
public struct Classification: Codable, Hashable, Sendable {
  /// The index of the class among the network's outputs, from 0.
  public var index: Int
  /// The label; the index in digits where the model has no labels.
  public var identifier: String
  /// The probability, between 0 and 1: softmax over all classes.
  public var confidence: Float
  /// The network's output for this class; nil for a network that ends in softmax itself.
  public var logit: Float?

  /// Makes a classification.
  public init(index: Int, identifier: String, confidence: Float, logit: Float? = nil) {
    self.index = index
    self.identifier = identifier
    self.confidence = confidence
    self.logit = logit
  }
}

extension Classification {
  /// The most likely classes of each row of `scores`, likeliest first; of equals the one with the smaller index.
  ///
  /// - Parameters:
  ///   - scores: shape (N, classes).
  ///   - areProbabilities: whether the network ended in softmax.
  /// - Throws: `classification.not-finite` when a score is NaN or infinite.
  static func top(
    _ count: Int, of scores: Tensor, areProbabilities: Bool, labels: [String]?
  ) throws -> [[Classification]] {
    let classes = scores.shape[1]
    let values = scores.floats
    return try (0..<scores.shape[0]).map { row in
      let row = values[(row * classes)..<((row + 1) * classes)]
      guard row.allSatisfy(\.isFinite), let largest = row.max() else {
        throw RBNError(
          .notFinite, .model, "the network gives values that are not finite for this input",
          advice: "check the weights for NaN, and the preprocessing")
      }
      let first = row.startIndex
      let sum = areProbabilities ? 1 : row.reduce(0.0) { $0 + exp(Double($1) - Double(largest)) }
      let order = row.indices.sorted { row[$0] != row[$1] ? row[$0] > row[$1] : $0 < $1 }
      return order.prefix(max(count, 0)).map { position in
        let score = row[position]
        let index = position - first
        let probability =
          areProbabilities ? score : Float(exp(Double(score) - Double(largest)) / sum)
        var identifier = "\(index)"
        if let labels, index < labels.count { identifier = labels[index] }
        return Classification(
          index: index, identifier: identifier, confidence: probability,
          logit: areProbabilities ? nil : score)
      }
    }
  }
}

extension RBNError.Code {
  /// A network whose outputs are NaN or infinite.
  public static let notFinite = Self("classification.not-finite")
  /// A network that does not classify images: another number of inputs, or outputs of another shape.
  public static let notAClassifier = Self("classification.not-a-classifier")
  /// A preprocessing that the network's input does not fit, or none.
  public static let preprocessingMismatch = Self("classification.preprocessing")
  /// Another number of labels than of classes.
  public static let labelCount = Self("classification.label-count")
}
