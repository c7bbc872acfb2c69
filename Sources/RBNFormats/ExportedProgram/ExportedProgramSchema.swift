import RBNTensor

/// A program written by `torch.export`: a graph of ATen calls in functional order, its signature and its weights.
///
/// The types follow PyTorch's serialisation schema, major versions 7 and 8 (`torch/_export/serde/schema.py`). Argument
/// kinds that no supported op takes are kept as ``Argument/unsupported(_:)``, so that the importer can name
/// the node that has one.
package struct ExportedProgram: Sendable {
  /// One call.
  package struct Node: Sendable {
    /// The op: `torch.ops.aten.conv2d.default`.
    package var target: String
    /// The arguments that are not left at their default, in order.
    package var inputs: [(name: String, argument: Argument)]
    package var outputs: [Argument]
    /// The module that made the call, dotted: `layer1.0.conv1`; empty for the root or where it is not known.
    package var modulePath: String
    /// 0 for the module's first call, 1 for its second, …
    package var moduleCall = 0
    /// The node's name in the graph; empty where the file gives none.
    package var name: String
  }

  /// An argument of a call, or a value that it makes.
  package enum Argument: Hashable, Sendable {
    case none
    case tensor(String)
    case tensors([String])
    /// A list in which nil stands for `None`.
    case optionalTensors([String?])
    case int(Int)
    case ints([Int])
    case float(Double)
    case floats([Double])
    case bool(Bool)
    case bools([Bool])
    case string(String)
    case strings([String])
    case symInt(SymIntArgument)
    case symInts([SymIntArgument])
    case scalarType(ScalarType)
    case memoryFormat(MemoryFormat)
    /// The type of device, such as `cpu`; its index does not matter here.
    case device(String)
    case layout(Layout)
    /// A kind that no supported op takes, by its name in the schema.
    case unsupported(String)
  }

  /// An integer argument: a value of the graph, by name, or a literal.
  package enum SymIntArgument: Hashable, Sendable {
    case name(String)
    case literal(Int)
  }

  /// A size in the metadata: a number, or an expression with the value that it had when the program was made.
  ///
  /// Expressions are kept as text and never evaluated.
  package enum SymInt: Hashable, Sendable {
    case int(Int)
    case expression(String, hint: Int?)
  }

  /// A dtype by PyTorch's serialisation code, which may be one that `DType` has not.
  package struct ScalarType: Hashable, Sendable {
    package var code: Int

    package init(code: Int) { self.code = code }

    /// The dtype; nil for those that this package has not (complex, quantised, 8-bit floats).
    package var dtype: DType? {
      switch code {
      case 1: .uint8
      case 2: .int8
      case 3: .int16
      case 4: .int32
      case 5: .int64
      case 6: .float16
      case 7: .float32
      case 8: .float64
      case 12: .bool
      case 13: .bfloat16
      case 28: .uint16
      case 34: .uint32
      case 35: .uint64
      default: nil
      }
    }
  }

  /// The order of a tensor's elements in memory, which no result depends on.
  package enum MemoryFormat: Int, Hashable, Sendable {
    case unknown = 0
    case contiguous = 1
    case channelsLast = 2
    case channelsLast3d = 3
    case preserve = 4
  }

  /// How a tensor is stored; all but `strided` are sparse or foreign.
  package struct Layout: Hashable, Sendable {
    package var code: Int
    package static let strided = Layout(code: 7)

    package init(code: Int) { self.code = code }
  }

  /// What the program knows of a tensor before it runs.
  package struct TensorMeta: Hashable, Sendable {
    package var scalarType: ScalarType
    package var sizes: [SymInt]
    package var strides: [SymInt]
    package var storageOffset: SymInt
    package var layout: Layout
  }

  /// What an input of the graph is.
  package enum InputSpec: Hashable, Sendable {
    case parameter(argument: String, key: String)
    case buffer(argument: String, key: String, isPersistent: Bool)
    case tensorConstant(argument: String, key: String)
    case userInput(Argument)
    /// A value that was fixed when the program was made.
    case constantInput(name: String)
    /// A kind that can't be run (`custom_obj`, `token`, …), by its name in the schema.
    case unsupported(String)
  }

  /// What an output of the graph is.
  package enum OutputSpec: Hashable, Sendable {
    case userOutput(Argument)
    case bufferMutation(argument: String, key: String)
    case userInputMutation(argument: String, input: String)
    /// A kind that can't be run (`loss_output`, gradients, `token`, …), by its name in the schema.
    case unsupported(String)
  }

  /// The values that a symbol may have; nil where there is no bound.
  package struct RangeConstraint: Hashable, Sendable {
    package var minimum: Int?
    package var maximum: Int?
  }

  package var nodes: [Node]
  package var inputs: [Argument]
  package var outputs: [Argument]
  package var tensorValues: [String: TensorMeta]
  package var symIntValues: [String: SymInt]
  package var inputSpecs: [InputSpec]
  package var outputSpecs: [OutputSpec]
  /// The names of ``outputSpecs`` where the network returns a dict; nil otherwise.
  package var outputNames: [String]?
  package var rangeConstraints: [String: RangeConstraint]
  /// The major and the minor version of the schema.
  package var schemaVersion: (major: Int, minor: Int)
  /// Versions of op sets, such as `aten` 10.
  package var opsetVersion: [String: Int]
  /// The version of PyTorch that wrote the file; empty where it does not say.
  package var torchVersion: String
  /// Parameters and persistent buffers by state-dict key, in the file's order. Tied ones share their storage.
  package var weights: [(key: String, tensor: Tensor)] = []
  /// Tensor constants and buffers that are not persistent, by key, in the file's order.
  package var constants: [(key: String, tensor: Tensor)] = []
}

extension RBNError.Code {
  /// The archive is not one of `torch.export`.
  package static let notAnExportedProgram = Self("exported-program.not-one")
  /// An archive that torch 2.4 or older wrote, or without its table of weights.
  package static let outdatedExportedProgram = Self("exported-program.outdated")
  /// An archive format or a schema that this package does not know.
  package static let exportedProgramVersion = Self("exported-program.version")
  /// The archive holds several models, or none.
  package static let ambiguousExportedModel = Self("exported-program.ambiguous-model")
  /// A weight that is a pickle or a foreign object.
  package static let pickledWeight = Self("exported-program.pickled-weight")
  /// A weight without the metadata to read it by, or with metadata that make no tensor.
  package static let malformedWeight = Self("exported-program.malformed-weight")
  /// A parameter, buffer or constant of the signature that the archive does not hold.
  package static let missingWeight = Self("exported-program.missing-weight")
}
