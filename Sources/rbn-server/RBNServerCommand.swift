import ArgumentParser
import Foundation
import RBNRuntime

#if Serving
import Logging
import Metrics
import RBNServing
import ServiceLifecycle
#endif

/// `rbn-server`: serves a folder of models.
struct RBNServerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rbn-server",
    abstract: "Serves PyTorch convolutional networks over HTTP, by the Open Inference Protocol V2.",
    discussion: """
      MODELS is a folder. A file digits.rbn in it is the model "digits"; a folder digits/2/ with a file in it is \
      version 2 of "digits". Models are bundles (.rbn), programs of torch.export (.pt2) and checkpoints of torch.save \
      (.pth). A file that changes takes its model's place while requests run; a file that can't be loaded does not.

      Clients of KServe and Triton work with it, JSON or binary. Besides: POST /v2/models/NAME/classify takes a JPEG \
      or PNG, / is a page for trying, /metrics is for Prometheus, /openapi.json describes all routes.

      SIGTERM and SIGINT: not ready, then no new connections, then exit when all requests are answered.

      EXAMPLES
        rbn-server models/
        rbn-server models/ --host 0.0.0.0 --largest-batch 16 --bearer-token-file /run/secrets/token
        curl --data-binary @cat.jpg 'localhost:8080/v2/models/efficientnet-lite0/classify?top_k=3'

      EXIT STATUS: 0 after a signal, 2 for wrong usage, 3 when the server can't start or stops by itself.
      """,
    version: RBNVersion.current)

  #if Serving
  @Argument(help: "The folder of models.")
  var models: String

  @OptionGroup(title: "Server") var server: ServerArguments
  @OptionGroup(title: "Batches") var batches: BatchArguments
  @OptionGroup(title: "Limits") var limits: LimitArguments

  func run() async throws {
    var configuration = ServerConfiguration(modelsPath: models)
    try server.apply(to: &configuration)
    try batches.apply(to: &configuration)
    try limits.apply(to: &configuration)
    let level = server.logLevel
    let isJSON = server.logFormat == .json
    LoggingSystem.bootstrap { label in
      var handler: any LogHandler =
        isJSON ? JSONLogHandler(label: label) : StreamLogHandler.standardError(label: label)
      handler.logLevel = level
      return handler
    }
    let logger = Logger(label: "rbn-server")
    let registry = PrometheusRegistry()
    MetricsSystem.bootstrap(registry)
    do {
      let server = try InferenceServer(configuration: configuration, logger: logger, metrics: registry)
      let group = ServiceGroup(
        services: [server], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
      try await group.run()
    } catch let error as RBNError where error.subject == .usage {
      throw ValidationError(error.description)
    } catch {
      logger.critical("The server can't go on", metadata: ["error": "\(error)"])
      throw ExitCode(3)
    }
  }
  #else
  func run() async throws {
    throw ValidationError(
      "rbn-server was built without the trait Serving: build it with swift build --traits Serving.")
  }
  #endif
}

@main
enum Main {
  /// Wrong usage gives the exit status 2, as with `rbn`.
  static func main() async {
    do {
      var command = try RBNServerCommand.parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      let isOutput = RBNServerCommand.exitCode(for: error) == .success
      guard !isOutput, !(error is ExitCode) else { RBNServerCommand.exit(withError: error) }
      FileHandle.standardError.write(Data((RBNServerCommand.fullMessage(for: error) + "\n").utf8))
      exit(2)
    }
  }
}
