import ArgumentParser
import RBNRuntime

/// `rbn verify`: a comparison with golden tensors.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Compares a model with what PyTorch computed.",
    discussion: """
      A golden file (.npz, written by tools/export.py) holds inputs/<name>, outputs/<name> and, if wanted, the output \
      of every module as layers/<path>. Whole tensors are compared; an element may differ by \
      atol + rtol * |expected| + of-largest * max |expected|. The first module that departs is named. \
      The exit status is 1 when one does.

      EXAMPLES
        rbn verify model.rbn
        rbn verify resnet18.pth resnet18.npz --all
        rbn verify resnet18.pt2 resnet18.npz --of-largest 1e-5 --json
      """)

  @Argument(help: "The model: .pth, .pt2 or .rbn.")
  var model: String

  @Argument(help: "The golden file; default: the golden tensors in the bundle.")
  var golden: String?

  @Option(help: "Absolute tolerance.")
  var atol = 0.0

  @Option(help: "Tolerance relative to the expected element.")
  var rtol = 0.0

  @Option(help: "Tolerance relative to the largest expected magnitude of the tensor.")
  var ofLargest = 1e-4

  @Flag(help: "Print every layer, not only those that depart.")
  var all = false

  @Flag(help: "Print everything as JSON.")
  var json = false

  @OptionGroup(title: "Model") var modelArguments: ModelArguments

  private struct Document: Encodable {
    var schemaVersion = 1
    var passed: Bool
    var firstDeparture: String?
    var verification: Verification

    enum CodingKeys: String, CodingKey {
      case schemaVersion = "schema_version"
      case firstDeparture = "first_departure"
      case passed, verification
    }
  }

  func run() async throws {
    let tolerance = Tolerance(absolute: atol, relative: rtol, ofLargest: ofLargest)
    let result = try await Verification.verify(
      modelAt: model, golden: golden, tolerance: tolerance, options: modelArguments.options)
    if json {
      let document = Document(
        passed: result.passed, firstDeparture: result.firstDeparture?.name, verification: result)
      try StandardOutput.write(json: document)
    } else {
      try StandardOutput.write(text(of: result))
    }
    if !result.passed { throw ExitStatus.comparisonFailed }
  }

  private static let departuresShown = 20

  private func text(of result: Verification) -> String {
    let layers = result.comparisons.filter { $0.kind == .layer }
    let departing = layers.filter { !$0.passed }
    let shown = all ? layers : Array(departing.prefix(Self.departuresShown))
    var table = TextTable([
      ("", .left), ("tensor", .left), ("shape", .left), ("max |diff|", .right), ("max rel", .right),
      ("of largest", .right), ("beyond", .right), ("cosine", .right),
    ])
    for entry in shown + result.comparisons.filter({ $0.kind == .output }) { table.add(Self.cells(entry)) }
    var text = table.text
    if departing.count > shown.count {
      text += "… and \(departing.count - shown.count) more layers that depart\n"
    }
    text += "\n"
    for entry in result.comparisons {
      guard let classes = entry.classes else { continue }
      text +=
        "\(entry.name): the likeliest class agrees in \(classes.sameFirst) of \(classes.rows) rows, "
        + "the five likeliest in \(classes.sameFive)\n"
    }
    if let worst = layers.max(by: { Self.ofLargest($0) < Self.ofLargest($1) }) {
      text +=
        "\(layers.count) layers compared; the largest difference, \(Format.scientific(Self.ofLargest(worst))) of the "
        + "largest value, is in \(worst.name)\n"
    }
    if !result.uncomparedLayers.isEmpty {
      text +=
        "\(result.uncomparedLayers.count) golden layers have no value of their own here: "
        + result.uncomparedLayers.prefix(5).joined(separator: ", ")
        + (result.uncomparedLayers.count > 5 ? ", …\n" : "\n")
    }
    if let first = result.firstDeparture {
      text += "FAIL: the first \(first.kind.rawValue) that departs is \(first.name)\n"
    } else {
      text += "PASS: \(result.comparisons.count) tensors agree\n"
    }
    return text
  }

  private static func ofLargest(_ entry: TensorComparison) -> Double {
    entry.largestDifference == 0 ? 0 : entry.largestDifference / entry.largestExpected
  }

  private static func cells(_ entry: TensorComparison) -> [String] {
    [
      entry.passed ? "ok" : "FAIL", entry.name, Format.shape(entry.shape),
      Format.scientific(entry.largestDifference), Format.scientific(entry.largestRelativeDifference),
      Format.scientific(ofLargest(entry)), "\(entry.beyondTolerance)", Format.fixed(entry.cosine, 9),
    ]
  }
}
