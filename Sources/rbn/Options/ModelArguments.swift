import ArgumentParser
import RBNRuntime

/// How a model is loaded and run; shared by all commands.
struct ModelArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The network of a bare checkpoint, where keys and shapes don't tell: resnet50, …", valueName: "name"))
  var architecture: String?

  @Option(
    help: ArgumentHelp(
      "Where the state dict is in a training checkpoint: dotted keys; . for the top level.", valueName: "a.b")
  )
  var stateDictKey: String?

  @Option(
    help: ArgumentHelp(
      "The largest number of threads; default: all that the process may use.", valueName: "n"))
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "Of the kernels: portable, avx2 or avx512; default: the best there is.", valueName: "name"))
  var instructionSet: String?

  @Option(
    help: ArgumentHelp(
      "An optimisation pass to leave out; again for each. They are \(ModelOptions.passNames.joined(separator: ", ")).",
      valueName: "name"))
  var disablePass: [String] = []

  @Flag(help: "Use no Winograd convolutions: slower, and rounding as little as a direct sum does.")
  var noWinograd = false

  @Option(
    help: ArgumentHelp(
      "Where an RBN behind a convolution gets its mean: before, from the sums of the convolution's input; after, from its output; default: the cheaper way, layer by layer.",
      valueName: "before|after"))
  var rbnMean: String?

  @Option(
    help: ArgumentHelp(
      "The most memory for the activations of one call, such as 512MB or 2GiB; default: 16GiB.",
      valueName: "bytes"))
  var memoryLimit: ByteCount?

  var options: ModelOptions {
    var options = ModelOptions(architecture: architecture, stateDictKey: stateDictKey, threads: threads)
    options.instructionSet = instructionSet
    options.disabledPasses = Set(disablePass)
    options.usesWinograd = !noWinograd
    options.rbnMean = rbnMean
    if let memoryLimit { options.memoryLimit = memoryLimit.value }
    return options
  }
}
