#if Serving
import RBNRuntime

/// How a server listens, what it serves, and what it allows.
public struct ServerConfiguration: Sendable {
  /// What clients may use. Beyond, they get an error that says so.
  public struct Limits: Sendable {
    /// The longest body of a request, in bytes: 413 beyond.
    public var bodyBytes = 64 << 20
    /// The longest JSON part of a request, in bytes; its values take many times its memory while it is read.
    public var jsonBytes = 32 << 20
    /// The deepest nesting of JSON arrays and objects, at most 128: 400 beyond.
    public var jsonDepth = 32
    /// The bytes that the bodies of all requests together may hold: 503 beyond.
    public var bodyBytesInFlight = 1 << 30
    /// The most rows, such as images, in one request: 413 beyond.
    public var rows = 128
    /// How long a request may take, from its first byte to its answer: 503 beyond, 408 when its body came too slowly.
    /// A request may ask for less.
    public var requestTime = Duration.seconds(30)
    /// How long a connection may be silent, or a client take for its headers or to read a response.
    public var idleTime = Duration.seconds(60)
    /// The most open connections; others wait to be accepted.
    public var connections = 1024
    /// The most memory that the activations of one batch may take, in bytes: 413 beyond.
    public var activationBytes = 2 << 30

    /// The default limits.
    public init() {}

    /// How long after a request's first byte its result may come, so that the answer is there within ``requestTime``.
    var resultTime: Duration { requestTime - min(requestTime / 20, .milliseconds(100)) }
  }

  /// Where the certificate and the key of an HTTPS server are.
  public struct TLS: Sendable {
    /// A PEM file with the certificate chain, the server's own first.
    public var certificatePath: String
    /// A PEM file with the private key.
    public var keyPath: String

    /// Names the files.
    public init(certificatePath: String, keyPath: String) {
      self.certificatePath = certificatePath
      self.keyPath = keyPath
    }
  }

  /// The folder of models: see ``ModelRepository``.
  public var modelsPath: String
  /// The address to listen on.
  public var host = "127.0.0.1"
  /// The port to listen on; 0 for any that is free.
  public var port = 8080
  /// How often the folder is looked at for changed, new and removed models; nil for never.
  public var pollInterval: Duration? = .seconds(2)
  /// How requests for one model come together, and how many of them may wait: 503 beyond. The server says itself how
  /// the model is called, and where it reports.
  public var batching = BatchingPredictor.Configuration()
  /// The largest number of threads of a call; nil for all that the process may use.
  public var threads: Int?
  /// What clients may use.
  public var limits = Limits()
  /// The token that requests must bring as `Authorization: Bearer …`; nil when anybody may ask. Health and metrics
  /// are always open, for orchestrators.
  public var bearerToken: String?
  /// For HTTPS; nil for HTTP.
  public var tls: TLS?
  /// How long the server goes on accepting connections after it was told to stop, while it already says that it is
  /// not ready, so that load balancers can take notice.
  public var drainDelay = Duration.zero
  /// How long the requests in flight may take to end after that.
  public var drainTime = Duration.seconds(60)

  /// A configuration of the defaults.
  public init(modelsPath: String) { self.modelsPath = modelsPath }

  /// - Throws: `usage.invalid-option`.
  func validate() throws {
    func check(_ isRight: Bool, _ message: String) throws {
      if !isRight { throw RBNError(.invalidOption, .usage, message) }
    }
    try check((0...65535).contains(port), "the port must be between 0 and 65535")
    try check(limits.bodyBytes > 0 && limits.jsonBytes > 0, "the limits of bodies must be positive")
    try check(limits.jsonDepth > 0, "the limit of JSON's depth must be positive")
    try check(
      limits.rows > 0 && limits.connections > 0, "the limits of rows and connections must be positive")
    try check(
      limits.bodyBytesInFlight > 0 && limits.activationBytes > 0,
      "the limits of bodies in flight and of activations must be positive")
    try check(
      limits.requestTime > .zero && limits.idleTime > .zero,
      "the times of a request and of a silent connection must be positive")
    try check(drainDelay >= .zero && drainTime >= .zero, "the times of draining can't be negative")
    try check(threads.map { $0 > 0 } ?? true, "the number of threads must be positive")
    try check(pollInterval.map { $0 > .zero } ?? true, "the interval of polling must be positive")
    if let bearerToken {
      try check(
        bearerToken.count >= 8 && bearerToken.utf8.allSatisfy { (0x21...0x7E).contains($0) },
        "a bearer token needs at least 8 visible ASCII characters")
    }
    try batching.validate()
  }

  /// The options that models are loaded with.
  var modelOptions: ModelOptions {
    var options = ModelOptions(threads: threads)
    options.memoryLimit = limits.activationBytes
    return options
  }
}
#endif
