import RBNTensor

/// The tensors of a module by their names, in the order of the file.
package struct StateDict: Sendable {
  /// A tensor and its name, such as `layer1.0.conv1.weight`.
  package struct Entry: Sendable {
    package let key: String
    package let tensor: Tensor
  }

  /// What stood among the tensors and is none, such as an epoch.
  package struct IgnoredEntry: Hashable, Sendable {
    package let key: String
    /// In a few words: `the number 3`.
    package let summary: String
  }

  /// The tensors, in the order of the file, without the prefix.
  package let entries: [Entry]
  /// What stood among the tensors and is none.
  package let ignored: [IgnoredEntry]
  /// The place in the checkpoint: dotted keys, empty for the top level.
  package let path: String
  /// What wrappers had put before every key, such as `module.`.
  package let strippedPrefix: String

  private let index: [String: Int]

  /// Makes a state dict of its entries.
  ///
  /// - Throws: `checkpoint.duplicate-key`.
  package init(
    entries: [Entry], ignored: [IgnoredEntry] = [], path: String = "", strippedPrefix: String = ""
  ) throws {
    var index = [String: Int](minimumCapacity: entries.count)
    for (position, entry) in entries.enumerated() {
      guard index.updateValue(position, forKey: entry.key) == nil else {
        throw RBNError(.duplicateKey, .model, location: entry.key, "occurs twice in the state dict")
      }
    }
    self.entries = entries
    self.ignored = ignored
    self.path = path
    self.strippedPrefix = strippedPrefix
    self.index = index
  }

  /// The tensor of a key.
  package subscript(key: String) -> Tensor? { index[key].map { entries[$0].tensor } }

  /// The keys, in the order of the file.
  package var keys: [String] { entries.map(\.key) }

  /// The prefix that wrappers have put before every key: any sequence of `module.` (DataParallel) and
  /// `_orig_mod.` (torch.compile). Empty where a single key lacks it.
  static func wrapperPrefix(of keys: [String]) -> String {
    guard let first = keys.first else { return "" }
    var prefix = ""
    while let next = ["module.", "_orig_mod."].first(where: { first.hasPrefix(prefix + $0) }),
      keys.allSatisfy({ $0.hasPrefix(prefix + next) && $0.utf8.count > prefix.utf8.count + next.utf8.count })
    {
      prefix += next
    }
    return prefix
  }
}
