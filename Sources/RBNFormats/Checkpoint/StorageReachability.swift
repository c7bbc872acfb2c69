/// Which values of a pickle hold a storage, however deep.
///
/// Found backwards from the storages, once for all values: a search from each value would take quadratic time
/// on values that share much, which a hostile file does.
///
/// - Complexity: O(nodes + references).
struct StorageReachability {
  /// For each node, whether it is or holds a storage.
  let flags: [Bool]

  init(_ pickle: Pickle) {
    let count = pickle.nodes.count
    // Holders of each node, in one array: those of node i from starts[i] up to starts[i + 1].
    var starts = [Int](repeating: 0, count: count + 1)
    for node in pickle.nodes {
      node.forEachReference { if $0 < count { starts[$0 + 1] += 1 } }
    }
    for index in 0..<count { starts[index + 1] += starts[index] }
    var holders = [Int](repeating: 0, count: starts[count])
    var filled = starts
    for (holder, node) in pickle.nodes.enumerated() {
      node.forEachReference { child in
        guard child < count else { return }
        holders[filled[child]] = holder
        filled[child] += 1
      }
    }
    var flags = [Bool](repeating: false, count: count)
    var open: [Int] = []
    for (index, node) in pickle.nodes.enumerated() {
      // Other objects are stored outside too: the source text of modules, in old files.
      guard case .persistent(let identifier) = node, let parts = pickle.tuple(identifier),
        case .string("storage") = parts.first
      else { continue }
      flags[index] = true
      open.append(index)
    }
    while let index = open.popLast() {
      for holder in holders[starts[index]..<starts[index + 1]] where !flags[holder] {
        flags[holder] = true
        open.append(holder)
      }
    }
    self.flags = flags
  }
}

extension PickleNode {
  /// Calls `body` with the index of every node that this one refers to.
  fileprivate func forEachReference(_ body: (Int) -> Void) {
    func visit(_ value: PickleValue) {
      if case .node(let index) = value { body(index) }
    }
    switch self {
    case .bytes, .bigInt, .global: return
    case .list(let values), .tuple(let values), .set(let values): values.forEach(visit)
    case .dict(let items):
      for item in items {
        visit(item.key)
        visit(item.value)
      }
    case .persistent(let identifier): visit(identifier)
    case .object(let object):
      visit(object.callable)
      visit(object.arguments)
      for item in object.items {
        visit(item.key)
        visit(item.value)
      }
      object.elements.forEach(visit)
      if let state = object.state { visit(state) }
    }
  }
}
