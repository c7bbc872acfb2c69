#if Serving
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
import RBNRuntime
public import ServiceLifecycle

/// Serves the models of a folder over HTTP, by the Open Inference Protocol V2 and a few routes besides.
///
///     let server = try InferenceServer(configuration: ServerConfiguration(modelsPath: "models"), logger: logger)
///     let group = ServiceGroup(services: [server], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
///     try await group.run()
///
/// On graceful shutdown the server says that it is not ready, goes on for `drainDelay`, then takes no more connections,
/// answers what it has accepted, and returns.
public struct InferenceServer: Service {
  /// How the server was set up.
  public let configuration: ServerConfiguration
  /// The metrics that the server reports at `/metrics`. Bootstrap `MetricsSystem` with it to add those of others.
  public let metrics: PrometheusRegistry

  private let logger: Logger
  let repository: ModelRepository
  private let readiness = Readiness()
  private let onListening: @Sendable (Int) -> Void

  /// Makes a server, which does nothing until it is run.
  ///
  /// - Parameter onListening: called with the port when the server accepts connections.
  /// - Throws: `usage.invalid-option`.
  public init(
    configuration: ServerConfiguration, logger: Logger, metrics: PrometheusRegistry = PrometheusRegistry(),
    onListening: @escaping @Sendable (Int) -> Void = { _ in }
  ) throws {
    try configuration.validate()
    self.configuration = configuration
    self.logger = logger
    self.metrics = metrics
    self.onListening = onListening
    repository = ModelRepository(configuration, logger: logger, metrics: metrics)
  }

  /// Loads the models and serves them until graceful shutdown or cancellation.
  ///
  /// - Throws: when the folder of models or the TLS files can't be read, or the address can't be listened on.
  public func run() async throws {
    // A folder that can't be read, or a certificate that isn't one, is better known before than after listening.
    _ = try ModelFolder(path: configuration.modelsPath).scan()
    let application = try application()
    var services: [any Service] = [application]
    if let interval = configuration.pollInterval {
      services.append(RepositoryWatcher(repository: repository, interval: interval, logger: logger))
    }
    // Services end in reverse order: first the gate tells that the server is going, then loading stops, for which the watcher
    // may be waiting; last the connections close.
    services.append(ModelLoading(repository: repository, readiness: readiness))
    services.append(DrainGate(readiness: readiness, delay: configuration.drainDelay))
    var group = ServiceGroupConfiguration(services: services, logger: logger)
    group.maximumGracefulShutdownDuration = configuration.drainDelay + configuration.drainTime
    try await ServiceGroup(configuration: group).run()
  }

  private func application() throws -> some ApplicationProtocol {
    let limits = configuration.limits
    let endpoints = Endpoints(configuration, repository: repository, metrics: metrics, readiness: readiness)
    let responder = ServerResponder(
      endpoints: endpoints, configuration: configuration, logger: logger, metrics: HTTPMetrics(metrics))
    let idleTime = TimeAmount(limits.idleTime)
    let bodyTime = TimeAmount(limits.resultTime)
    let connection = HTTP1Channel.Configuration(
      additionalChannelHandlers: [ConnectionGuard(bodyTime: bodyTime, writeTime: idleTime)],
      idleTimeout: idleTime,
      httpDecoderConfiguration: .init(
        maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 64 << 10, maxHeaderFieldCount: 100))
    let http1 = HTTPServerBuilder { responder in
      EventLoopChannel(base: HTTP1Channel(responder: responder, configuration: connection))
    }
    let server = try configuration.tls.map { try $0.server(over: http1) } ?? http1
    let (logger, onListening) = (logger, onListening)
    return Application(
      responder: responder, server: server,
      configuration: ApplicationConfiguration(
        address: .hostname(configuration.host, port: configuration.port), serverName: "rbn-server",
        availableConnectionsDelegate: MaximumAvailableConnections(limits.connections)),
      onServerRunning: { channel in
        let port = channel.localAddress?.port ?? 0
        logger.notice("Listening", metadata: ["port": "\(port)"])
        onListening(port)
      },
      logger: logger)
  }
}

/// Loads the models while the server already answers that it is alive.
private struct ModelLoading: Service {
  let repository: ModelRepository
  let readiness: Readiness

  func run() async throws {
    do {
      try await cancelWhenGracefulShutdown {
        try await repository.loadAll()
        readiness.setLoaded()
        // A service that returns ends the group.
        try await Task.sleep(for: .seconds(Int64.max / 4))
      }
    } catch is CancellationError {}
  }
}

/// On graceful shutdown says first that the server is not ready, and holds the rest back for a while.
private struct DrainGate: Service {
  let readiness: Readiness
  let delay: Duration

  func run() async throws {
    try? await gracefulShutdown()
    readiness.setDraining()
    try? await Task.sleep(for: delay)
  }
}
#endif
