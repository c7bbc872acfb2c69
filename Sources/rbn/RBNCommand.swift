import ArgumentParser
import RBNRuntime

/// The root of the command line.
struct RBNCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rbn",
    abstract: "Runs PyTorch convolutional networks, with Representative BatchNorm as a layer.",
    discussion: """
      Models are checkpoints of torch.save (.pth), programs of torch.export (.pt2) and bundles (.rbn), told apart by \
      their content. Nothing in a file is ever executed.

      EXAMPLES
        rbn predict model.rbn photo.jpg
        rbn inspect checkpoint.pth

      Results go to standard output, everything else to standard error. EXIT STATUS: 0 all is right, 1 a comparison \
      failed, 2 wrong usage, 3 the model can't be used, 4 an input can't be used or an output can't be written.
      """,
    version: RBNVersion.current,
    subcommands: [
      PredictCommand.self, RunCommand.self, VerifyCommand.self, InspectCommand.self, ConvertCommand.self,
      ScanCommand.self, BenchCommand.self,
    ])
}

@main
enum Main {
  static func main() async {
    do {
      var command = try RBNCommand.parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      ExitStatus.end(after: error)
    }
  }
}
