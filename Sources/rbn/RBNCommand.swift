import ArgumentParser

@main
struct RBNCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "rbn")
}
