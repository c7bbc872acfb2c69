#if Serving
import ArgumentParser
import Foundation
import Logging
import RBNServing

/// Where the server listens, whom it lets in, and how it stops.
struct ServerArguments: ParsableArguments {
  enum LogFormat: String, CaseIterable, ExpressibleByArgument {
    case json, text
  }

  @Option(help: "The address to listen on; 0.0.0.0 for all.")
  var host = "127.0.0.1"

  @Option(help: "The port to listen on; 0 for any that is free.")
  var port = 8080

  @Option(help: "Seconds between looks at the folder of models; 0 to look only when asked.")
  var pollInterval = 2.0

  @Option(help: "A file with the token that requests must bring as Authorization: Bearer.")
  var bearerTokenFile: String?

  @Option(help: "For HTTPS: a PEM file with the certificate chain.")
  var tlsCertificate: String?

  @Option(help: "For HTTPS: a PEM file with the certificate's key.")
  var tlsKey: String?

  @Option(
    help: "Seconds for which a server that was told to stop goes on accepting, and says that it is not ready."
  )
  var drainDelay = 0.0

  @Option(help: "Seconds that requests in flight may then take.")
  var drainTime = 60.0

  @Option(help: "json for one line of JSON an event, or text; to standard error.")
  var logFormat = LogFormat.json

  @Option(help: "trace, debug, info, notice, warning, error or critical.")
  var logLevel = Logger.Level.info

  func apply(to configuration: inout ServerConfiguration) throws {
    configuration.host = host
    configuration.port = port
    configuration.pollInterval =
      try pollInterval == 0 ? nil : Seconds.duration(pollInterval, "--poll-interval")
    configuration.drainDelay = try Seconds.duration(drainDelay, "--drain-delay")
    configuration.drainTime = try Seconds.duration(drainTime, "--drain-time")
    if let bearerTokenFile {
      guard let text = try? String(contentsOfFile: bearerTokenFile, encoding: .utf8) else {
        throw ValidationError("\(bearerTokenFile): can't be read as a token")
      }
      configuration.bearerToken = text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
    switch (tlsCertificate, tlsKey) {
    case (let certificate?, let key?):
      configuration.tls = ServerConfiguration.TLS(certificatePath: certificate, keyPath: key)
    case (nil, nil): break
    default: throw ValidationError("--tls-certificate and --tls-key need each other.")
    }
  }
}

/// How requests come together.
struct BatchArguments: ParsableArguments {
  @Option(help: "The most images that run together.")
  var largestBatch = 8

  @Option(help: "Milliseconds that a request may wait for others while the model is idle.")
  var longestWait = 0.0

  @Option(help: "The number of threads; all that the process may use if left out.")
  var threads: Int?

  func apply(to configuration: inout ServerConfiguration) throws {
    configuration.batching.largestBatch = largestBatch
    configuration.batching.longestWait = try Seconds.duration(longestWait / 1000, "--longest-wait")
    configuration.threads = threads
  }
}

/// What clients may use.
struct LimitArguments: ParsableArguments {
  @Option(help: "The longest body of a request, in MiB.")
  var maxBody = 64

  @Option(name: .customLong("max-json"), help: "The longest JSON part of a request, in MiB.")
  var maxJSON = 32

  @Option(name: .customLong("max-json-depth"), help: "The deepest nesting of JSON.")
  var maxJSONDepth = 32

  @Option(help: "The bodies of all requests together, in MiB.")
  var maxBodiesInFlight = 1024

  @Option(help: "The most images in one request.")
  var maxRows = 128

  @Option(help: "The most requests of a model that wait.")
  var maxQueue = 256

  @Option(help: "Seconds that a request may take.")
  var requestTime = 30.0

  @Option(help: "Seconds that a connection may be silent.")
  var idleTime = 60.0

  @Option(help: "The most open connections.")
  var maxConnections = 1024

  @Option(help: "The memory of the activations of one batch, in MiB.")
  var maxActivations = 2048

  func apply(to configuration: inout ServerConfiguration) throws {
    configuration.limits.bodyBytes = try bytes(maxBody, "--max-body")
    configuration.limits.jsonBytes = try bytes(maxJSON, "--max-json")
    configuration.limits.jsonDepth = maxJSONDepth
    configuration.limits.bodyBytesInFlight = try bytes(maxBodiesInFlight, "--max-bodies-in-flight")
    configuration.limits.rows = maxRows
    configuration.batching.queueLimit = maxQueue
    configuration.limits.requestTime = try Seconds.duration(requestTime, "--request-time")
    configuration.limits.idleTime = try Seconds.duration(idleTime, "--idle-time")
    configuration.limits.connections = maxConnections
    configuration.limits.activationBytes = try bytes(maxActivations, "--max-activations")
  }

  private func bytes(_ mebibytes: Int, _ option: String) throws -> Int {
    guard (1...(1 << 20)).contains(mebibytes) else {
      throw ValidationError("\(option) must be between 1 and \(1 << 20) MiB.")
    }
    return mebibytes << 20
  }
}

/// Times as options give them.
private enum Seconds {
  static func duration(_ seconds: Double, _ option: String) throws -> Duration {
    guard seconds >= 0, seconds <= 1_000_000 else {
      throw ValidationError("\(option) must be between 0 and 1000000.")
    }
    return .seconds(seconds)
  }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
#endif
