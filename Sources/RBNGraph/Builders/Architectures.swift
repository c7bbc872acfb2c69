import RBNTensor

extension RBNError.Code {
  /// An architecture was asked for by a name that is not in the table.
  package static let unknownArchitecture = Self("architecture.unknown-name")
  /// The keys and shapes of a state dict are not those of an architecture in the table.
  package static let unrecognisedArchitecture = Self("architecture.not-recognised")
  /// The keys of a state dict are not exactly those that the architecture has.
  package static let architectureMismatch = Self("architecture.keys-mismatch")
  /// A weight that is not a floating-point tensor.
  package static let architectureDType = Self("architecture.integer-weight")
  /// Two tensors under one key.
  package static let duplicateKey = Self("architecture.duplicate-key")
}

/// Networks that can be built from a bare state dict, without a graph file.
///
/// The ResNets of torchvision (which the RBN paper's networks are, with other normalisation layers) and the CIFAR
/// ResNets with the keys of pytorch_resnet_cifar10. A new network is one entry of ``table``.
package enum Architectures {
  /// The architectures by name, in the order in which they are listed.
  static let table: [(name: String, architecture: ResNetArchitecture)] =
    [
      ("resnet18", imageNet(.basic, [2, 2, 2, 2])),
      ("resnet34", imageNet(.basic, [3, 4, 6, 3])),
      ("resnet50", imageNet(.bottleneck, [3, 4, 6, 3])),
      ("resnet101", imageNet(.bottleneck, [3, 4, 23, 3])),
      ("resnet152", imageNet(.bottleneck, [3, 8, 36, 3])),
      ("resnext50_32x4d", imageNet(.bottleneck, [3, 4, 6, 3], groups: 32, width: 128)),
      ("resnext101_32x8d", imageNet(.bottleneck, [3, 4, 23, 3], groups: 32, width: 256)),
      ("wide_resnet50_2", imageNet(.bottleneck, [3, 4, 6, 3], width: 128)),
      ("wide_resnet101_2", imageNet(.bottleneck, [3, 4, 23, 3], width: 128)),
    ]
    + [20, 32, 44, 56, 110].map { layers in
      let depth = (layers - 2) / 6
      return (
        "resnet\(layers)",
        ResNetArchitecture(family: .cifar, block: .basic, depths: [depth, depth, depth])
      )
    }

  private static func imageNet(
    _ block: ResNetArchitecture.Block, _ depths: [Int], groups: Int = 1, width: Int = 64
  ) -> ResNetArchitecture {
    ResNetArchitecture(family: .imageNet, block: block, depths: depths, groups: groups, width: width)
  }

  /// The names that ``build(architecture:from:)`` accepts.
  package static var names: [String] { table.map(\.name) }

  /// Builds the graph of a network from its state dict, with its parameters as float32.
  ///
  /// Without a name the architecture is recognised by keys and shapes. Each normalisation layer is an RBN or a BatchNorm by its
  /// own keys; `eps` is PyTorch's default, 1e-5, which no state dict records.
  ///
  /// - Throws: `architecture.unknown-name`, `architecture.not-recognised`, `architecture.keys-mismatch` (one error that
  ///   lists every missing, unexpected and wrongly shaped key), `architecture.integer-weight`, `architecture.duplicate-key`.
  package static func build(
    architecture name: String?, from parameters: [(key: String, tensor: Tensor)]
  ) throws -> Graph {
    var tensors: [String: Tensor] = [:]
    for (key, tensor) in parameters {
      guard tensors.updateValue(tensor, forKey: key) == nil else {
        throw RBNError(
          .duplicateKey, .model, location: key, "the state dict holds this key twice",
          advice: "save the weights again with torch.save(model.state_dict(), …)")
      }
    }
    let shapes = tensors.mapValues(\.shape)
    let name = try name ?? recognise(shapes.map { (key: $0.key, shape: $0.value) })
    guard let architecture = table.first(where: { $0.name == name })?.architecture else {
      throw RBNError(
        .unknownArchitecture, .usage, "there is no architecture named \(name)",
        advice: "the names are \(names.joined(separator: ", "))")
    }
    var builder = ResNetBuilder(architecture, ledger: ParameterLedger(shapes: shapes))
    builder.build()
    guard builder.ledger.problemCount == 0 else {
      throw RBNError(
        .architectureMismatch, .model,
        "the state dict does not fit \(name): " + builder.ledger.problems.joined(separator: "; "),
        advice: mismatchAdvice(builder.ledger))
    }
    return try filled(builder.graph, from: tensors)
  }

  private static func mismatchAdvice(_ ledger: ParameterLedger) -> String {
    let known = ledger.keys.filter { !ParameterLedger.isIgnored($0) }
    if !known.isEmpty, known.allSatisfy({ $0.hasPrefix("module.") }) {
      return "the keys begin with module., as DataParallel saves them: save model.module.state_dict()"
    }
    return
      "name the right architecture with --architecture, save the complete state dict, or export the network"
      + " with torch.export"
  }

  /// Puts the tensors that the graph reads into it, as float32.
  private static func filled(_ graph: Graph, from tensors: [String: Tensor]) throws -> Graph {
    var graph = graph
    for value in graph.values {
      guard case .parameter(let key) = value.origin, let tensor = tensors[key] else { continue }
      guard tensor.dtype.isFloatingPoint else {
        throw RBNError(
          .architectureDType, .model, location: key,
          "the weight is of dtype \(tensor.dtype), not floating point",
          advice: "save the weights of a float model; quantized networks are not supported")
      }
      graph.parameters[key] = try tensor.converted(to: .float32)
    }
    return graph
  }
}
