import RBNTensor

/// Finds the state dict in the object that was saved.
///
/// A *candidate* is a dict of tensors under text keys. The top level is taken when nothing below it holds
/// tensors; otherwise dicts, lists and tuples are searched breadth-first. What belongs to the training, such
/// as the optimizer's state, is passed over. Exactly one candidate is taken; to choose among several would
/// be a guess.
struct StateDictSearch {
  /// A dict of tensors and where it is.
  struct Candidate {
    /// Dotted keys; empty for the top level.
    var path: String
    var items: [PickleItem]
    var tensorCount: Int
  }

  /// How deep dicts may be nested, and how long a list may be, to be searched.
  private static let maximumDepth = 16
  private static let maximumListCount = 1024
  /// How many keys or candidates a message lists.
  private static let maximumListed = 20

  let pickle: Pickle
  /// For each node, whether it is or holds a storage.
  private let holdsStorage: [Bool]

  init(_ pickle: Pickle) {
    self.pickle = pickle
    self.holdsStorage = StorageReachability(pickle).flags
  }

  /// The state dict at a key, or the only one.
  ///
  /// - Parameter key: dotted keys; `.` is the top level.
  /// - Throws: `checkpoint.ambiguous-state-dict`, `checkpoint.no-state-dict`, `checkpoint.pickled-model`,
  ///   `checkpoint.unknown-state-dict-key`.
  func find(key: String?) throws -> Candidate {
    if let key { return try resolve(key) }
    let candidates = candidates()
    if candidates.count > 1 {
      let listed = candidates.prefix(Self.maximumListed)
      let lines = listed.map { "\($0.path.isEmpty ? "." : $0.path) (\($0.tensorCount) tensors)" }
      throw RBNError(
        .ambiguousStateDict, .model,
        "holds \(candidates.count) state dicts: " + lines.joined(separator: ", "),
        advice:
          "choose one with --state-dict-key, for example --state-dict-key \(listed.last?.path ?? "")")
    }
    guard let candidate = candidates.first else { throw notFound() }
    return candidate
  }

  /// Whether an entry among tensors is an object that holds tensors' data in a way of its own.
  func isOpaqueTensor(_ item: PickleItem) -> Bool {
    guard holdsData(item.value), !Self.isTraining(item.key) else { return false }
    switch pickle.node(item.value) {
    case .object, .persistent: return true
    default: return false
    }
  }

  private func holdsData(_ value: PickleValue) -> Bool {
    guard case .node(let index) = value, holdsStorage.indices.contains(index) else { return false }
    return holdsStorage[index]
  }

  // MARK: The search

  /// A value on the way of the search. Paths are put together only where they are needed: keys may be long
  /// and values many.
  private struct Step {
    var value: PickleValue
    var name: String
    /// The index of the step that led here.
    var parent: Int?
  }

  private func candidates() -> [Candidate] {
    var found: [Candidate] = []
    var steps = [Step(value: pickle.root, name: "", parent: nil)]
    var seen = Set<Int>()
    var level = steps.indices
    for depth in 0..<Self.maximumDepth {
      for position in level {
        let value = steps[position].value
        guard case .node(let index) = value, seen.insert(index).inserted else { continue }
        if let items = pickle.items(value) {
          if isOptimizerState(items) { continue }
          if var candidate = candidate(items, isRoot: depth == 0) {
            if found.count < Self.maximumListed { candidate.path = path(to: position, steps) }
            found.append(candidate)
          }
        }
        for (name, child) in children(of: value) where holdsData(child) {
          steps.append(Step(value: child, name: name, parent: position))
        }
      }
      level = level.upperBound..<steps.count
    }
    return found
  }

  private func path(to position: Int, _ steps: [Step]) -> String {
    var names: [String] = []
    var current = position
    while let parent = steps[current].parent {
      names.append(steps[current].name)
      current = parent
    }
    return names.reversed().joined(separator: ".")
  }

  private func children(of value: PickleValue) -> [(name: String, value: PickleValue)] {
    if let items = pickle.items(value) {
      return items.compactMap { item in
        Self.isTraining(item.key) ? nil : Self.name(item.key).map { ($0, item.value) }
      }
    }
    guard let values = pickle.list(value) ?? pickle.tuple(value), values.count <= Self.maximumListCount else {
      return []
    }
    return values.enumerated().map { (String($0.offset), $0.element) }
  }

  private func candidate(_ items: [PickleItem], isRoot: Bool) -> Candidate? {
    var tensorCount = 0
    var hasModuleKey = false
    var hasExtent = false
    var isFlat = true
    for item in items {
      guard TensorRebuild.isTensor(item.value, in: pickle) else {
        if holdsData(item.value), !Self.isTraining(item.key) { isFlat = false }
        continue
      }
      guard case .string(let key) = item.key else { return nil }
      tensorCount += 1
      // Metrics are often tensors too: without dimensions, and without a dotted name.
      if key.contains(".") { hasModuleKey = true }
      if !hasExtent {
        hasExtent = (try? TensorRebuild.describe(item.value, in: pickle))?.shape.isEmpty != true
      }
    }
    guard tensorCount > 0 else { return nil }
    let isCandidate =
      isFlat ? isRoot || hasModuleKey || hasExtent : hasModuleKey && tensorCount >= items.count - tensorCount
    return isCandidate ? Candidate(path: "", items: items, tensorCount: tensorCount) : nil
  }

  private func isOptimizerState(_ items: [PickleItem]) -> Bool {
    let keys = Set(items.compactMap { Self.name($0.key) })
    return keys.contains("state") && keys.contains("param_groups")
  }

  private static let trainingNames: Set<String> = [
    "amp", "callbacks", "cuda_rng_state", "grad_scaler", "hyper_parameters", "loops", "lr_sched",
    "lr_scheduler",
    "lr_schedulers", "rng_state", "rng_states", "scaler", "scheduler", "schedulers",
  ]

  /// Whether what stands under a key belongs to the training.
  private static func isTraining(_ key: PickleValue) -> Bool {
    guard case .string(let key) = key else { return false }
    let name = key.lowercased()
    return name.contains("optim") || trainingNames.contains(name)
  }

  private static func name(_ key: PickleValue) -> String? {
    switch key {
    case .string(let text): text
    case .int(let number): String(number)
    default: nil
    }
  }

  // MARK: A key given by the caller

  private func resolve(_ key: String) throws -> Candidate {
    guard let value = key == "." ? pickle.root : value(at: key) else {
      throw RBNError(
        .unknownStateDictKey, .usage, "has nothing under the state dict key \(key.debugDescription)",
        advice: "the keys at its top level are \(topLevelKeys())")
    }
    guard let items = pickle.items(value) else {
      throw RBNError(
        .noStateDict, .model, location: key, "is \(pickle.summary(value)), not a state dict")
    }
    let tensorCount = items.count { TensorRebuild.isTensor($0.value, in: pickle) }
    guard tensorCount > 0 else {
      throw RBNError(
        .noStateDict, .model, location: key, "holds no tensors; its keys are \(listed(items))")
    }
    return Candidate(path: key == "." ? "" : key, items: items, tensorCount: tensorCount)
  }

  /// The value under dotted keys, where keys may contain dots themselves.
  private func value(at key: String) -> PickleValue? {
    var open = [(value: pickle.root, rest: key[...])]
    var seen = Set<[Int]>()
    while let (value, rest) = open.popLast() {
      guard case .node(let index) = value, seen.insert([index, rest.utf8.count]).inserted else { continue }
      for (name, child) in named(value) {
        if rest == name { return child }
        if rest.hasPrefix(name + ".") { open.append((child, rest.dropFirst(name.count + 1))) }
      }
    }
    return nil
  }

  private func named(_ value: PickleValue) -> [(name: String, value: PickleValue)] {
    // The caller may ask for what the search passes over.
    guard let items = pickle.items(value) else { return children(of: value) }
    return items.compactMap { item in Self.name(item.key).map { ($0, item.value) } }
  }

  // MARK: Nothing found

  private func notFound() -> RBNError {
    if isModule(pickle.root) { return pickledModel(pickle.root, at: nil) }
    guard let items = pickle.items(pickle.root) else {
      let hint =
        TensorRebuild.isTensor(pickle.root, in: pickle) ? "a single tensor" : pickle.summary(pickle.root)
      return RBNError(
        .noStateDict, .model, "holds \(hint), not a state dict", advice: "save model.state_dict()")
    }
    if let model = items.first(where: { isModule($0.value) }) {
      return pickledModel(model.value, at: Self.name(model.key))
    }
    return RBNError(
      .noStateDict, .model, "holds no state dict; the keys at its top level are \(listed(items))",
      advice: "save model.state_dict(), or point to it with --state-dict-key")
  }

  private func pickledModel(_ value: PickleValue, at key: String?) -> RBNError {
    RBNError(
      .pickledModel, .model, location: key,
      "holds a whole model, \(pickle.summary(value)), which only its Python class can take apart",
      advice: "load it in PyTorch and save model.state_dict()")
  }

  /// Whether a value is an object of `torch.nn.Module`, by the attributes that all of them have.
  private func isModule(_ value: PickleValue) -> Bool {
    guard let state = pickle.object(value)?.state, let items = pickle.items(state) else { return false }
    let keys = Set(items.compactMap { Self.name($0.key) })
    return keys.contains("_parameters") && keys.contains("_modules")
  }

  private func topLevelKeys() -> String {
    pickle.items(pickle.root).map(listed) ?? "none: it holds \(pickle.summary(pickle.root))"
  }

  private func listed(_ items: [PickleItem]) -> String {
    let names = items.prefix(Self.maximumListed).map { item in
      let name = Self.name(item.key).map { $0.prefix(80).debugDescription } ?? pickle.summary(item.key)
      return "\(name) (\(pickle.summary(item.value)))"
    }
    let rest = items.count - names.count
    return names.isEmpty ? "none" : names.joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
  }
}
