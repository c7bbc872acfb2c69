import RBNTensor

/// The names of a program's results where the network returns a dict: its keys, joined by dots with those of dicts inside and
/// with positions in lists.
///
/// PyTorch keeps the structure of the result as text, a `TreeSpec` in JSON:
/// `[1, {"type": "builtins.dict", "context": "[\"out\"]", "children_spec": […]}]`. Names are for people and do not matter to
/// what is computed: a structure that is not understood gives none.
enum OutputTree {
  /// One name a leaf, in order; nil where there is no dict.
  static func names(_ graphModule: JSONNode) -> [String]? {
    guard let calls = try? graphModule.optionalMember("module_call_graph")?.elements(),
      let root = calls.first(where: { (try? $0.member("fqn").string()) == "" }),
      let signature = try? root.optionalMember("signature"), !signature.isNull,
      let text = try? signature.optionalMember("out_spec")?.string(),
      let parts = elements(text), parts.count == 2
    else { return nil }
    var tree = Tree()
    guard tree.visit(parts[1], path: "", depth: 0), tree.hasDict, Set(tree.names).count == tree.names.count
    else {
      return nil
    }
    return tree.names
  }

  private static func elements(_ text: String) -> [JSONValue]? {
    guard case .array(let elements)? = try? JSONValue.parse(Array(text.utf8), document: "out_spec") else {
      return nil
    }
    return elements
  }

  private struct Tree {
    var names: [String] = []
    var hasDict = false
    private static let depthLimit = 16

    mutating func visit(_ node: JSONValue, path: String, depth: Int) -> Bool {
      guard depth < Self.depthLimit, case .array(let children)? = node["children_spec"] else { return false }
      if node["type"] == .null {
        names.append(path)
        return children.isEmpty
      }
      guard case .string(let type)? = node["type"], let keys = keys(node, type, count: children.count) else {
        return false
      }
      for (key, child) in zip(keys, children) {
        guard visit(child, path: path.isEmpty ? key : "\(path).\(key)", depth: depth + 1) else {
          return false
        }
      }
      return true
    }

    private mutating func keys(_ node: JSONValue, _ type: String, count: Int) -> [String]? {
      switch type {
      case "builtins.tuple", "builtins.list": return (0..<count).map(String.init)
      case "builtins.dict", "collections.OrderedDict":
        guard case .string(let context)? = node["context"], let keys = OutputTree.elements(context),
          keys.count == count
        else { return nil }
        hasDict = true
        return keys.map { key -> String in
          switch key {
          case .string(let text): text
          case .int(let number): "\(number)"
          default: "?"
          }
        }
      default: return nil
      }
    }
  }
}
