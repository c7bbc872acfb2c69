import RBNRuntime

/// A graph in the DOT language of Graphviz: one box an operation, one arrow a tensor with its shape.
struct DotDocument {
  private struct Node {
    var name: String
    var label: [String]
    var inputs: [String]
    var shape: [Int]
  }

  private let nodes: [Node]
  private let inputs: [(name: String, shape: [Int])]
  private let outputs: [(name: String, source: String)]

  /// - Parameter isPlan: the operations that run, rather than those of the graph as it was written.
  init(_ network: ModelInspection.Network, _ isPlan: Bool) {
    inputs = zip(network.inputs, network.exampleShapes).map { ($0.name, $1) }
    outputs = Array(zip(network.outputs, isPlan ? network.outputSteps : network.outputLayers))
    nodes =
      isPlan
      ? network.steps.map {
        Node(
          name: $0.name, label: [$0.module, ([$0.op] + $0.fused).joined(separator: " + ")], inputs: $0.inputs,
          shape: $0.outputShape)
      }
      : network.layers.map {
        Node(name: $0.name, label: [$0.module, $0.op], inputs: $0.inputs, shape: $0.outputShape)
      }
  }

  var text: String {
    var lines = ["digraph network {", "  node [shape=box, fontname=\"sans-serif\"]"]
    var shapes: [String: [Int]] = [:]
    for input in inputs {
      lines.append(
        "  \(Self.quoted("input:" + input.name)) [label=\(Self.quoted(input.name)), shape=ellipse]")
      shapes[input.name] = input.shape
    }
    // Names of inputs and operations are apart: an operation may be called as an input is.
    let operations = Set(nodes.map(\.name))
    func reference(_ name: String) -> String {
      Self.quoted((operations.contains(name) ? "" : "input:") + name)
    }
    func edge(_ source: String, _ target: String) {
      let label = shapes[source].map { " [label=\(Self.quoted(Format.shape($0)))]" } ?? ""
      lines.append("  \(reference(source)) -> \(target)\(label)")
    }
    for node in nodes {
      let label = node.label.filter { !$0.isEmpty }.joined(separator: "\n")
      lines.append("  \(Self.quoted(node.name)) [label=\(Self.quoted(label))]")
      shapes[node.name] = node.shape
      for input in node.inputs { edge(input, Self.quoted(node.name)) }
    }
    for output in outputs {
      let target = Self.quoted("output:" + output.name)
      lines.append("  \(target) [label=\(Self.quoted(output.name)), shape=ellipse]")
      edge(output.source, target)
    }
    return (lines + ["}"]).joined(separator: "\n") + "\n"
  }

  /// A string of DOT, in which only quotes and backslashes mean something.
  private static func quoted(_ text: String) -> String {
    let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing(
      "\n", with: "\\n")
    return "\"" + escaped + "\""
  }
}
