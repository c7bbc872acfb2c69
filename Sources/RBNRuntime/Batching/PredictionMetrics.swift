import Metrics

/// What a predictor counts, under the names that the DocC article on services lists.
struct PredictionMetrics: Sendable {
  /// How a request ended.
  enum Outcome: String, CaseIterable {
    case success
    case failure
    case queueFull = "queue_full"
    case deadlineExceeded = "deadline_exceeded"
    case cancelled
    case closed

    init(_ error: any Error) {
      self =
        switch error {
        case is CancellationError: .cancelled
        case let error as RBNError:
          switch error.code {
          case .queueFull: .queueFull
          case .deadlineExceeded: .deadlineExceeded
          case .predictorClosed: .closed
          default: .failure
          }
        default: .failure
        }
    }
  }

  let model: String
  private let outcomes: [Outcome: Counter]
  private let queueLength: Meter
  private let queueTime: Timer
  private let computeTime: Timer
  private let batchRows: Recorder

  init(_ configuration: BatchingPredictor.Configuration, _ model: Model) {
    let name = configuration.name ?? model.file
    let factory = configuration.metricsFactory ?? MetricsSystem.factory
    let dimensions = [("model", name)] + (configuration.version.map { [("version", $0)] } ?? [])
    self.model = name
    outcomes = Dictionary(
      uniqueKeysWithValues: Outcome.allCases.map { outcome in
        (
          outcome,
          Counter(
            label: "rbn_predictions_total", dimensions: dimensions + [("outcome", outcome.rawValue)],
            factory: factory)
        )
      })
    queueLength = Meter(label: "rbn_queue_length", dimensions: dimensions, factory: factory)
    queueTime = Timer(label: "rbn_queue_seconds", dimensions: dimensions, factory: factory)
    computeTime = Timer(label: "rbn_compute_seconds", dimensions: dimensions, factory: factory)
    batchRows = Recorder(
      label: "rbn_batch_rows", dimensions: dimensions, aggregate: true, factory: factory)
  }

  func count(_ outcome: Outcome) { outcomes[outcome]?.increment() }

  func setQueueLength(_ length: Int) { queueLength.set(length) }

  func recordStart(of batch: RunningBatch) {
    let now = ContinuousClock.now
    for request in batch.requests { queueTime.recordNanoseconds((now - request.arrival).nanoseconds) }
  }

  func recordCompute(_ duration: Duration, rows: Int) {
    computeTime.recordNanoseconds(duration.nanoseconds)
    batchRows.record(rows)
  }
}

extension Duration {
  /// Rounded towards zero; the largest or smallest number where 64 bits don't suffice.
  package var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, overflows) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
    return overflow || overflows ? (seconds < 0 ? .min : .max) : sum
  }
}
