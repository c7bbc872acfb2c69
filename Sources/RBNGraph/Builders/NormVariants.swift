import RBNTensor

/// Which parameters the normalisation layers of a state dict have.
///
/// A layer is an RBN when it has a calibration parameter of its own. Whether the layers of one kind have an affine
/// part, running statistics, centering and scaling is decided for all of them together: a key that only some layers lack is
/// missing, not a variant.
struct NormVariants {
  enum Kind: Hashable {
    case plain, representative
  }

  private struct Feature: Hashable {
    var kind: Kind
    var group: Int
  }

  /// Parameters that come together.
  private static let groups = [
    ["weight", "bias"], ["running_mean", "running_var"], ["center_weight"], ["scale_weight", "scale_bias"],
  ]
  private static let calibration = ["center_weight", "scale_weight", "scale_bias"]
  private static let counter = "num_batches_tracked"

  /// BatchNorm's parameters, in the order of its inputs.
  static let plainNames = ["weight", "bias", "running_mean", "running_var"]

  private var present: Set<Feature> = []

  init(_ ledger: ParameterLedger) {
    for key in ledger.keys {
      guard let dot = key.lastIndex(of: ".") else { continue }
      let (path, name) = (String(key[..<dot]), String(key[key.index(after: dot)...]))
      guard Self.isNorm(path) else { continue }
      let kind = kind(of: path, ledger)
      for (group, names) in Self.groups.enumerated() where names.contains(name) {
        present.insert(Feature(kind: kind, group: group))
      }
      // The counter is kept exactly where statistics are.
      if name == Self.counter { present.insert(Feature(kind: kind, group: 1)) }
    }
  }

  /// Whether a module path is a normalisation layer's by its place in a residual network.
  private static func isNorm(_ path: String) -> Bool {
    let last = path.split(separator: ".").last ?? ""
    return last.hasPrefix("bn") || path.hasSuffix("downsample.1") || path.hasSuffix("shortcut.1")
  }

  func kind(of path: String, _ ledger: ParameterLedger) -> Kind {
    Self.calibration.contains { ledger.holds("\(path).\($0)") } ? .representative : .plain
  }

  /// Whether a layer has, or must have, the parameter `name`.
  func has(_ name: String, _ kind: Kind, _ path: String, _ ledger: ParameterLedger) -> Bool {
    if present.contains(where: { $0.kind == kind && Self.groups[$0.group].contains(name) }) { return true }
    // A layer without any key is not a variant that could be told from an incomplete state dict.
    return kind == .plain && !present.contains { $0.kind == kind }
  }
}
