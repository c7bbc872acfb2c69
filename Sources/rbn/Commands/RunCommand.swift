import ArgumentParser
import RBNRuntime

/// `rbn run`: tensors in, tensors out.
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Runs a model on tensors.",
    discussion: """
      Inputs are .npy files, or .npz files whose tensors carry the names of the network's inputs; golden files serve \
      as well. `rbn inspect MODEL` shows the names and shapes.

      EXAMPLES
        rbn run resnet50.pth --input x.npy --output logits.npz
        rbn run two-inputs.pt2 --input image=x.npy --input mask=m.npy --json
      """)

  @Argument(help: "The model: .pth, .pt2 or .rbn.")
  var model: String

  @Option(help: ArgumentHelp("A tensor file; again for each input.", valueName: "[name=]file"))
  var input: [String]

  @Option(help: ArgumentHelp("Where the outputs go: .npz, or .npy for a single one.", valueName: "file"))
  var output: String?

  @Flag(help: "Print the summary of the outputs as JSON.")
  var json = false

  @OptionGroup(title: "Model") var modelArguments: ModelArguments

  private struct Summary: Encodable {
    var name: String
    var dtype: String
    var shape: [Int]
    var minimum: Double
    var mean: Double
    var maximum: Double
    var nonFiniteCount: Int

    init(_ name: String, _ tensor: Tensor) {
      let values = tensor.doubles
      let finite = values.filter(\.isFinite)
      self.name = name
      dtype = tensor.dtype.description
      shape = tensor.shape.dimensions
      minimum = finite.min() ?? .nan
      maximum = finite.max() ?? .nan
      mean = finite.reduce(0, +) / Double(finite.count)
      nonFiniteCount = values.count - finite.count
    }

    enum CodingKeys: String, CodingKey {
      case name, dtype, shape, minimum, mean, maximum
      case nonFiniteCount = "non_finite_count"
    }
  }

  private struct Document: Encodable {
    var schemaVersion = 1
    var model: String
    var outputs: [Summary]

    enum CodingKeys: String, CodingKey {
      case schemaVersion = "schema_version"
      case model, outputs
    }
  }

  func run() async throws {
    if let output, !output.hasSuffix(".npz"), !output.hasSuffix(".npy") {
      throw ValidationError("--output must end in .npz or .npy.")
    }
    let loaded = try await Model.load(contentsOf: model, options: modelArguments.options)
    let inputs = try readInputs(loaded.inputs.map(\.name))
    let results: [Tensor]
    do {
      results = try await loaded.run(inputs)
    } catch let error as RBNError {
      throw error.inFile(error.subject == .input && input.count == 1 ? input[0] : model)
    }
    let outputs = zip(loaded.outputs, results).map { (name: $0, tensor: $1) }
    if let output { try TensorFile.write(outputs, to: output) }
    let summaries = outputs.map { Summary($0.name, $0.tensor) }
    guard !json else {
      return try StandardOutput.write(json: Document(model: model, outputs: summaries))
    }
    var table = TextTable([
      ("output", .left), ("dtype", .left), ("shape", .left), ("min", .right), ("mean", .right),
      ("max", .right),
    ])
    for entry in summaries {
      table.add(
        [entry.name, entry.dtype, Format.shape(entry.shape)]
          + [entry.minimum, entry.mean, entry.maximum].map(Format.number))
    }
    try StandardOutput.write(table.text)
    for entry in summaries where entry.nonFiniteCount > 0 {
      StandardError.write(
        "rbn: warning: \(entry.nonFiniteCount) elements of \(entry.name) are NaN or infinite\n")
    }
  }

  /// The tensors of all files in the order of the network's inputs.
  private func readInputs(_ names: [String]) throws -> [Tensor] {
    var found: [String: Tensor] = [:]
    var unnamed: [(file: String, tensor: Tensor)] = []
    func add(_ name: String, _ tensor: Tensor, _ file: String) throws {
      guard found.updateValue(tensor, forKey: name) == nil else {
        throw RBNError(.inputNames, .input, file: file, location: name, "this input is given twice")
      }
    }
    for argument in input {
      let (name, file) = split(argument, names)
      let tensors = try TensorFile.read(contentsOf: file)
      if let name {
        guard tensors.count == 1, let first = tensors.first else {
          throw RBNError(
            .inputNames, .input, file: file, "holds \(tensors.count) tensors for the input \(name)")
        }
        try add(name, first.tensor, file)
        continue
      }
      // Of a golden file only the inputs are meant.
      let golden = tensors.filter { $0.name.hasPrefix("inputs/") }
      for (key, tensor) in golden.isEmpty ? tensors : golden {
        let key = golden.isEmpty ? key : String(key.dropFirst("inputs/".count))
        if names.contains(key) { try add(key, tensor, file) } else { unnamed.append((file, tensor)) }
      }
    }
    let open = names.filter { found[$0] == nil }
    guard open.count == unnamed.count else {
      throw RBNError(
        .inputNames, .input, file: input.count == 1 ? input[0] : nil,
        "the network takes \(names.joined(separator: ", ")), and \(found.count + unnamed.count) tensors were given",
        advice: "name them: --input \(names.first ?? "x")=x.npy")
    }
    // A single open input needs no name; several would be a guess.
    guard unnamed.count <= 1 else {
      throw RBNError(
        .inputNames, .input,
        "the tensors of \(unnamed.map(\.file).joined(separator: ", ")) carry no input's name",
        advice: "the names are \(open.joined(separator: ", ")); name them: --input \(open.first ?? "x")=x.npy"
      )
    }
    if let name = open.first, let entry = unnamed.first { found[name] = entry.tensor }
    return names.compactMap { found[$0] }
  }

  /// `name=file`, where the name is that of an input: other equals signs belong to the path.
  private func split(_ argument: String, _ names: [String]) -> (String?, String) {
    guard let equals = argument.firstIndex(of: "="), names.contains(String(argument[..<equals])) else {
      return (nil, argument)
    }
    return (String(argument[..<equals]), String(argument[argument.index(after: equals)...]))
  }

  func validate() throws {
    guard !input.isEmpty else { throw ValidationError("Give at least one --input.") }
  }
}
