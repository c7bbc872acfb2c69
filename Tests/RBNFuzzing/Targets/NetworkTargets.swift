import RBNExecution
import RBNFormats
import RBNGraph
import RBNTensor

extension FuzzTarget {
  /// The graph of a bundle and its table of weights, digests put right.
  static let graph = FuzzTarget(
    "graph", mutator: EitherMutator(first: ProgramConverter(), second: graphMutator), readBundle)

  /// Bundles: manifest, digests, weights, labels, golden tensors.
  static let bundle = FuzzTarget(
    "bundle", mutator: EitherMutator(first: ProgramConverter(), second: bundleMutator), readBundle)

  /// Archives of torch.export.
  static let exportedProgram = FuzzTarget("pt2", mutator: programMutator) { bytes in
    let program = try ExportedProgram(bytes: try TensorStorage(copying: bytes))
    try exercise(try ExportedProgramImporter.graph(from: program))
  }

  private static let graphMutator = ZipMutator(
    prefers: { $0 == "graph.json" || $0 == "weights.json" }, payload: mutateJSON, repair: repairManifest)

  private static let bundleMutator = ZipMutator(
    prefers: { $0 != "graph.json" }, payload: mutateJSON, repair: repairManifest)

  private static let programMutator = ZipMutator(
    prefers: { $0.hasSuffix(".json") }, payload: mutateJSON)

  @Sendable private static func mutateJSON(
    _ name: String, _ bytes: [UInt8], _ random: inout SplitMix64, _ raw: RawMutation
  ) -> [UInt8]? {
    guard name.hasSuffix(".json"), !random.once(in: 8) else { return nil }
    return JSONMutator().mutate(bytes, random: &random, raw: raw)
  }

  /// Puts sizes and digests of all entries that the manifest lists right.
  @Sendable private static func repairManifest(_ entries: [ZipParts.Entry]) -> [ZipParts.Entry] {
    var entries = entries
    guard let index = entries.firstIndex(where: { $0.text == "manifest.json" }),
      case .object(var manifest)? = try? JSONValue.parse(entries[index].payload, document: "manifest.json"),
      case .object(var listed)? = manifest["entries"]
    else { return entries }
    for entry in entries where listed[entry.text] != nil {
      guard let digest = try? SHA256.hexDigest(of: entry.payload) else { continue }
      listed[entry.text] = ["sha256": .string(digest), "bytes": .int(Int64(entry.payload.count))]
    }
    manifest["entries"] = .object(listed)
    entries[index].payload = Array(JSONValue.object(manifest).text().utf8)
    return entries
  }

  @Sendable private static func readBundle(_ bytes: [UInt8]) throws {
    let bundle = try ModelBundle.read(bytes: bytes)
    let parameters = Dictionary(bundle.weights.map { ($0.key, $0.tensor) }) { first, _ in first }
    let graph = try GraphCoding.decode(bundle.graph, parameters: parameters)
    let again = try GraphCoding.decode(try GraphCoding.encode(graph), parameters: graph.parameters)
    precondition(again.nodes.count == graph.nodes.count, "a graph changes when it is written")
    try exercise(graph)
  }

  private static let memoryLimit = 1 << 24
  private static let operationLimit = 1 << 24

  /// Prepares, plans and runs a graph, if that takes little time and memory.
  private static func exercise(_ graph: Graph) throws {
    let shapes = graph.inputs.map(\.exampleShape)
    var options = ExecutionOptions()
    options.threads = 1
    options.memoryLimit = memoryLimit
    let executor = try NetworkExecutor(graph: graph, options: options)
    let plan = try executor.plan(for: shapes)
    precondition(plan.arenaByteCount <= memoryLimit, "a plan exceeds its limit")
    guard work(plan) <= operationLimit else { return }
    let inputs = try zip(graph.inputs, shapes).map { try Tensor.zeros($1, dtype: $0.dtype) }
    for value in try executor.run(inputs) {
      precondition(
        value.withUnsafeBytes { $0.count } == value.byteCount, "an output has not the size of its shape")
    }
  }

  /// Reads of operands, as a bound of the time that a plan takes: outputs times the largest constant that a step reads.
  private static func work(_ plan: ExecutionPlan) -> Int {
    plan.steps.reduce(0) { sum, step in
      let largest = step.inputs.compactMap { $0?.shape.dimensions.reduce(1, &*) }.max() ?? 1
      let output = step.output.shape.dimensions.reduce(1, &*)
      let (product, overflow) = output.multipliedReportingOverflow(by: max(largest, 1))
      let (total, overflow2) = sum.addingReportingOverflow(product)
      return overflow || overflow2 ? .max / 2 : min(total, .max / 2)
    }
  }
}

/// Makes the bundle of an exported program, so that bundles of many networks are among the inputs.
private struct ProgramConverter: FuzzMutator {
  func mutate(_ bytes: [UInt8], random: inout SplitMix64, raw: RawMutation) -> [UInt8]? {
    guard bytes.count < 1 << 17, let storage = try? TensorStorage(copying: bytes),
      let program = try? ExportedProgram(bytes: storage),
      let graph = try? ExportedProgramImporter.graph(from: program),
      let document = try? GraphCoding.encode(graph)
    else { return nil }
    var manifest = BundleManifest()
    manifest.inputs = graph.inputs.map { .init(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
    manifest.outputs = graph.outputs.map(\.name)
    let weights = graph.parameters.sorted { $0.key < $1.key }.map { (key: $0.key, tensor: $0.value) }
    return try? ModelBundle(manifest: manifest, graph: document, weights: weights).bytes()
  }
}
