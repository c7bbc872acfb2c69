import RBNExecution

/// What a caller may say about a network that its file does not.
public struct ModelOptions: Sendable {
  /// The network of a bare checkpoint, one of ``Model/architectureNames``; nil when keys and shapes shall tell.
  public var architecture: String?
  /// Where the state dict is in a training checkpoint: dotted keys, `.` for the top level; nil when it is to be
  /// found, which succeeds where there is only one.
  public var stateDictKey: String?
  /// The largest number of threads that a call uses; nil for all that the process may use.
  public var threads: Int?
  /// The instruction set of the kernels, one of ``availableInstructionSets``; nil for the best.
  public var instructionSet: String?
  /// Optimisation passes to leave out, of ``passNames``.
  public var disabledPasses: Set<String> = []
  /// Whether 3 × 3 convolutions may use Winograd's algorithm: faster, and rounding a few times more than a direct sum.
  public var usesWinograd = true
  /// Where an RBN behind a convolution gets its mean: `before`, from the sums of the convolution's input, `after`, from its
  /// output; nil for the cheaper way, layer by layer. Where a stride allows only `after`, that is used.
  public var rbnMean: String?
  /// The most memory that the activations of one call may take, in bytes.
  public var memoryLimit = 16 << 30

  /// Makes options that leave everything to the file and the machine.
  public init(architecture: String? = nil, stateDictKey: String? = nil, threads: Int? = nil) {
    self.architecture = architecture
    self.stateDictKey = stateDictKey
    self.threads = threads
  }

  /// The instruction sets that this machine has, best last: `portable`, and `avx2`, `avx512` where they exist.
  public static var availableInstructionSets: [String] { InstructionSet.available.sorted().map(\.rawValue) }

  /// The names of the optimisation passes, in the order in which they run.
  public static var passNames: [String] { PassPipeline.names }

  /// How the network runs.
  ///
  /// - Throws: `usage.invalid-option`.
  func execution() throws -> ExecutionOptions {
    var options = ExecutionOptions()
    if let threads, threads < 1 {
      throw RBNError(
        .invalidOption, .usage, "\(threads) threads can't compute: the number must be at least 1")
    }
    if memoryLimit < 1 { throw RBNError(.invalidOption, .usage, "the memory limit must be positive") }
    if let name = instructionSet {
      guard let known = InstructionSet.available.first(where: { $0.rawValue == name }) else {
        throw RBNError(
          .invalidOption, .usage, "this machine has no instruction set named \(name)",
          advice: "it has \(Self.availableInstructionSets.joined(separator: ", "))")
      }
      options.instructionSet = known
    }
    if let rbnMean {
      guard let source = MeanSource(rawValue: rbnMean) else {
        throw RBNError(
          .invalidOption, .usage, "an RBN's mean can't come from '\(rbnMean)'",
          advice: "it comes \(MeanSource.allCases.map(\.rawValue).joined(separator: " or ")) the convolution")
      }
      options.meanSource = source
    }
    options.usesWinograd = usesWinograd
    options.threads = threads
    options.disabledPasses = disabledPasses
    options.memoryLimit = memoryLimit
    return options
  }
}

extension RBNError.Code {
  /// A value that an option does not take.
  public static let invalidOption = Self("usage.invalid-option")
}
