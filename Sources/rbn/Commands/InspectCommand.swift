import ArgumentParser
import RBNRuntime

/// `rbn inspect`: what a file holds and how it would run.
struct InspectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Shows what a model file holds and how it would run.",
    discussion: """
      EXAMPLES
        rbn inspect checkpoint.pth
        rbn inspect resnet50.pt2 --layers --plan
        rbn inspect resnet50.pt2 --dot plan | dot -Tsvg > plan.svg
        rbn inspect model.rbn --json
        rbn inspect --operators
      """)

  @Argument(help: "The model: .pth, .pt2 or .rbn.")
  var model: String?

  @Flag(help: "List the tensors of the state dict.")
  var tensors = false

  @Flag(help: "List the operations of the graph as it was written.")
  var layers = false

  @Flag(help: "List the operations that run, after the passes, with what is fused into each.")
  var plan = false

  @Flag(help: "Print everything as JSON.")
  var json = false

  enum DotGraph: String, CaseIterable, ExpressibleByArgument {
    case layers, plan
  }

  @Option(
    help: ArgumentHelp(
      "Print only the graph, in the DOT language of Graphviz: as written, or as it runs.",
      valueName: "layers|plan"))
  var dot: DotGraph?

  @Flag(help: "List the operators that a graph may have; needs no model.")
  var operators = false

  @Flag(help: "List the architectures that a bare checkpoint can be loaded as; needs no model.")
  var architectures = false

  @OptionGroup(title: "Model") var modelArguments: ModelArguments

  func validate() throws {
    let isListing = operators || architectures
    guard isListing || model != nil else { throw ValidationError("Name a model.") }
    guard !isListing || model == nil else {
      throw ValidationError("--operators and --architectures list what is known, and take no model.")
    }
    guard dot == nil || !(json || isListing) else {
      throw ValidationError("--dot prints nothing but the graph, and goes with no other output.")
    }
  }

  private struct Listing: Encodable {
    var schemaVersion = 1
    var operators: [String]?
    var architectures: [String]?

    enum CodingKeys: String, CodingKey {
      case schemaVersion = "schema_version"
      case operators, architectures
    }
  }

  private struct Document: Encodable {
    var schemaVersion = 1
    var inspection: ModelInspection

    enum CodingKeys: String, CodingKey {
      case schemaVersion = "schema_version"
      case inspection
    }
  }

  func run() async throws {
    guard let model else {
      let listing = Listing(
        operators: operators ? Model.operatorNames : nil,
        architectures: architectures ? Model.architectureNames : nil)
      if json { return try StandardOutput.write(json: listing) }
      let names = (listing.operators ?? []) + (listing.architectures ?? [])
      return try StandardOutput.write(names.joined(separator: "\n") + "\n")
    }
    let inspection = try await ModelInspection.inspect(contentsOf: model, options: modelArguments.options)
    if json { return try StandardOutput.write(json: Document(inspection: inspection)) }
    if let dot {
      guard let network = inspection.network else {
        throw RBNError(
          .noNetwork, .model, file: model, inspection.networkProblem ?? "there is no graph in the file")
      }
      return try StandardOutput.write(DotDocument(network, dot == .plan).text)
    }
    try StandardOutput.write(summary(inspection))
    if tensors { try StandardOutput.write("\n" + Self.tensorTable(inspection)) }
    guard let network = inspection.network else { return }
    if layers { try StandardOutput.write("\n" + Self.layerTable(network)) }
    if plan { try StandardOutput.write("\n" + Self.planTable(network)) }
  }

  private func summary(_ inspection: ModelInspection) -> String {
    var facts: [(String, String)] = [
      ("file", inspection.file), ("format", inspection.format.rawValue),
      (
        "tensors",
        "\(inspection.tensors.count), \(Format.count(inspection.parameterCount)) elements, "
          + Format.bytes(inspection.weightByteCount)
      ),
    ]
    if !inspection.producer.isEmpty { facts.append(("written by", Self.producer(inspection.producer))) }
    for (key, value) in inspection.provenance.sorted(by: { $0.key < $1.key }) { facts.append((key, value)) }
    if let identity = inspection.identity { facts.append(("identity", "sha256 \(identity)")) }
    guard let network = inspection.network else {
      facts.append(("network", inspection.networkProblem ?? "none"))
      return Format.facts(facts)
    }
    if let architecture = network.architecture { facts.append(("architecture", architecture)) }
    facts += network.inputs.map { ("input", $0.summary) }
    facts += network.outputs.map { ("output", $0) }
    if network.hasPreprocessing { facts.append(("preprocessing", "in the file")) }
    if network.labelCount > 0 { facts.append(("labels", "\(network.labelCount)")) }
    if !network.goldenTensors.isEmpty { facts.append(("golden tensors", "\(network.goldenTensors.count)")) }
    facts += [
      ("example shape", network.exampleShapes.map(Format.shape).joined(separator: ", ")),
      ("multiply-adds", Format.count(network.multiplyAdds)),
      ("operations", "\(network.layers.count), \(network.steps.count { !$0.isAlias }) after fusion"),
      ("RBN layers", "\(network.representativeBatchNormCount)"),
    ]
    facts += Self.nearMisses(network).map { ("not fused", $0) }
    facts += [
      ("activations", "\(Format.bytes(network.arenaByteCount)) a call"), ("kernels", network.instructionSet),
    ]
    return Format.facts(facts)
  }

  /// `layer1.0.bn1: computes aten.hardsigmoid.default of the mean, not the sigmoid`, a line each; all are in the JSON.
  private static func nearMisses(_ network: ModelInspection.Network) -> [String] {
    let misses = network.representativeBatchNormNearMisses
    let lines = misses.prefix(10).map { "\($0.module.isEmpty ? $0.layer : $0.module): \($0.reason)" }
    return misses.count > lines.count ? lines + ["\(misses.count - lines.count) more"] : lines
  }

  /// `swift-rbn 0.1.0, torch 2.13.0`.
  private static func producer(_ producer: [String: String]) -> String {
    let writer = [producer["name"], producer["version"]].compactMap { $0 }.joined(separator: " ")
    let others = producer.filter { $0.key != "name" && $0.key != "version" }.sorted { $0.key < $1.key }
    return ([writer] + others.map { "\($0.key) \($0.value)" }).filter { !$0.isEmpty }.joined(separator: ", ")
  }

  private static func tensorTable(_ inspection: ModelInspection) -> String {
    var table = TextTable([("tensor", .left), ("dtype", .left), ("shape", .left)])
    for entry in inspection.tensors {
      table.add([entry.key, entry.dtype.description, Format.shape(entry.shape)])
    }
    return table.text
  }

  private static func layerTable(_ network: ModelInspection.Network) -> String {
    var table = TextTable([
      ("module", .left), ("operator", .left), ("output", .left), ("parameters", .right),
      ("multiply-adds", .right),
    ])
    for layer in network.layers {
      table.add([
        layer.module.isEmpty ? "(network)" : layer.module, layer.op, Format.shape(layer.outputShape),
        layer.parameterCount > 0 ? Format.count(layer.parameterCount) : "",
        layer.multiplyAdds > 0 ? Format.count(layer.multiplyAdds) : "",
      ])
    }
    return table.text
  }

  private static func planTable(_ network: ModelInspection.Network) -> String {
    var table = TextTable([("module", .left), ("operation", .left), ("output", .left), ("kernel", .left)])
    for step in network.steps where !step.isAlias {
      table.add([
        step.module.isEmpty ? "(network)" : step.module, ([step.op] + step.fused).joined(separator: " + "),
        Format.shape(step.outputShape), step.kernel,
      ])
    }
    return table.text
  }
}

extension RBNError.Code {
  /// A graph is asked for of a checkpoint of no known architecture.
  static let noNetwork = Self("model.no-network")
}
