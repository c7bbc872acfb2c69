import RBNTensor

/// What a network expects of a state dict, compared with what the state dict holds.
///
/// A builder asks for every key that its network has; the ledger notes what is missing or of another shape, and which
/// keys nobody asked for. Nothing is thrown before the whole network has been walked, so one error can list it all.
struct ParameterLedger {
  /// An expected size; `nil` accepts any size but 0. `label` stands for it in messages.
  struct Dimension: ExpressibleByIntegerLiteral {
    var size: Int?
    var label: String

    init(integerLiteral value: Int) { self.init(value) }
    init(_ value: Int) { (size, label) = (value, String(value)) }
    static func any(_ label: String) -> Dimension {
      var dimension = Dimension(0)
      (dimension.size, dimension.label) = (nil, label)
      return dimension
    }
  }

  private let shapes: [String: Shape]
  private var asked: Set<String> = []
  private(set) var missing: [String] = []
  private(set) var misshapen: [String] = []

  init(shapes: [String: Shape]) { self.shapes = shapes }

  /// Keys that training code leaves in state dicts and inference has no use for.
  static func isIgnored(_ key: String) -> Bool {
    key == "num_batches_tracked" || key.hasSuffix(".num_batches_tracked")
  }

  func holds(_ key: String) -> Bool { shapes[key] != nil }
  func shape(of key: String) -> Shape? { shapes[key] }
  var keys: [String] { shapes.keys.sorted() }

  /// Asks for a key of one of the given shapes.
  mutating func require(_ key: String, _ accepted: [Dimension]...) {
    asked.insert(key)
    guard let found = shapes[key] else {
      missing.append(key)
      return
    }
    let fits = accepted.contains { expected in
      expected.count == found.rank
        && zip(expected, found).allSatisfy { $0.size == nil ? $1 > 0 : $0.size == $1 }
    }
    if !fits {
      let wanted = accepted.map { dimensions in
        "(" + dimensions.map(\.label).joined(separator: ", ") + (dimensions.count == 1 ? ",)" : ")")
      }
      misshapen.append("\(key) has shape \(found), expected \(wanted.joined(separator: " or "))")
    }
  }

  /// Keys that nobody asked for.
  var unexpected: [String] {
    shapes.keys.filter { !asked.contains($0) && !Self.isIgnored($0) }.sorted()
  }

  var problemCount: Int { missing.count + misshapen.count + unexpected.count }

  /// The lists, one sentence each; empty when everything fits.
  var problems: [String] {
    var sentences: [String] = []
    func list(_ entries: [String], _ label: String) {
      guard !entries.isEmpty else { return }
      let shown = entries.sorted().prefix(Self.listed).joined(separator: ", ")
      let rest = entries.count > Self.listed ? ", and \(entries.count - Self.listed) more" : ""
      sentences.append("\(entries.count) \(label): \(shown)\(rest)")
    }
    list(missing, "missing")
    list(unexpected, "unexpected")
    list(misshapen, "of another shape")
    return sentences
  }

  /// How many keys of each kind an error names.
  private static let listed = 30
}
