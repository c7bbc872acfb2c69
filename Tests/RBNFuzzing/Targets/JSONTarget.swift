import RBNFormats

extension FuzzTarget {
  /// JSON documents. What is accepted must survive being written and parsed again.
  static let json = FuzzTarget("json", mutator: JSONMutator()) { bytes in
    let value = try JSONValue.parse(bytes, document: "document")
    for layout in [JSONValue.Layout.compact, .pretty] {
      let again = try JSONValue.parse(Array(value.text(layout).utf8), document: "written")
      precondition(again == value, "a document changes when it is written")
    }
  }
}
