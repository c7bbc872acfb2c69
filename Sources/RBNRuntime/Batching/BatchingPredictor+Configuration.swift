public import Logging
public import Metrics

extension BatchingPredictor {
  /// How requests come together, and where a predictor reports.
  public struct Configuration: Sendable {
    /// The most rows that run together. A request of more rows runs alone.
    ///
    /// Requests come together in 1, 2, 4, … or `largestBatch` rows, so that few plans and their memory are kept.
    public var largestBatch = 8
    /// How long a request may wait for others to join while nothing else keeps it from running.
    ///
    /// With zero, requests still come together: those that arrive while a batch runs are the next batch. A request
    /// that finds the predictor idle then starts at once.
    public var longestWait = Duration.zero
    /// The most requests that wait. Beyond, `predict` throws `prediction.queue-full`.
    public var queueLimit = 256
    /// How many batches may run at once. Each uses all processors, so more than one rarely pays.
    public var concurrentBatches = 1
    /// What metrics and spans call the model; nil for the file it was loaded from.
    public var name: String?
    /// What metrics and spans call the model's version; nil for models that have none.
    public var version: String?
    /// Where the predictor reports what its callers don't see.
    public var logger = Logger(label: "rbn.batching") { _ in SwiftLogNoOpLogHandler() }
    /// What makes the metrics; nil for the one that the metrics system was bootstrapped with.
    public var metricsFactory: (any MetricsFactory)?

    /// A configuration of the defaults.
    public init() {}

    /// - Throws: `usage.invalid-option`.
    package func validate() throws {
      func check(_ isRight: Bool, _ message: String) throws {
        if !isRight { throw RBNError(.invalidOption, .usage, message) }
      }
      try check((1...65536).contains(largestBatch), "the largest batch must have 1 to 65536 rows")
      try check(longestWait >= .zero, "the longest wait can't be negative")
      try check(queueLimit >= 1, "the limit of the queue must be at least 1")
      try check((1...1024).contains(concurrentBatches), "1 to 1024 batches can run at once")
    }
  }
}
