import RBNExecution
import Synchronization
import Tracing

/// Runs single requests together, in batches, for services in which many tasks ask for one network at once.
///
///     let predictor = try await BatchingPredictor(model: model)
///     let logits = try await predictor.predict([image], deadline: .now + .seconds(1))
///
/// A request gets the bits that it would have got alone: what rides along changes neither its result nor whether it
/// succeeds. Networks of which that isn't true, such as those that normalise with the batch's own statistics, are
/// found out when the predictor is made; their requests run one by one (see ``soloReason``).
///
/// Requests of tasks of higher priority run first, those of equal priority in the order of their arrival. The queue is
/// bounded: when it is full, ``predict(_:deadline:)-([Tensor],_)`` throws at once. A request whose task is cancelled,
/// or whose deadline passes, ends at once, and does no further work unless others ride with it.
///
/// A predictor works from the moment it is made. As a `Service` of a `ServiceGroup` it takes part in graceful shutdown
/// as well: see ``run()``.
public final class BatchingPredictor: Sendable {
  /// The network.
  public let model: Model
  /// The choices the predictor was made with.
  public let configuration: Configuration
  /// Why requests run one by one; nil when they run together.
  public let soloReason: String?

  private struct State {
    var queue = BatchQueue()
    var running: [RunningBatch] = []
    /// How long a row took in the last two batches, if they were of one kind.
    var pace: (kind: PredictionRequest.Kind, rowTimes: [Duration])?
    var isClosed = false
    var alarm: (time: ContinuousClock.Instant, task: Task<Void, Never>)?
    /// Those who wait for the last request to end.
    var drainers: [CheckedContinuation<Void, Never>] = []

    /// The deadlines of all who wait, in the queue or for a batch that runs.
    var deadlines: [ContinuousClock.Instant] {
      (queue.waiting + running.flatMap(\.waiting)).compactMap(\.deadline)
    }
  }

  private let state = Mutex(State())
  private let metrics: PredictionMetrics
  private let calls: CallQueue

  /// Makes a predictor, and runs the network a few times to see whether requests may run together.
  ///
  /// - Throws: `usage.invalid-option` for a configuration that can't be.
  public convenience init(model: Model, configuration: Configuration = Configuration()) async throws {
    try await self.init(model: model, configuration: configuration, calls: .shared)
  }

  init(model: Model, configuration: Configuration, calls: CallQueue) async throws {
    try configuration.validate()
    self.model = model
    self.configuration = configuration
    self.calls = calls
    metrics = PredictionMetrics(configuration, model)
    let largest = configuration.largestBatch
    soloReason = try await calls.run { _ in BatchProbe.soloReason(model, rows: largest) }
    if largest > 1, let soloReason {
      configuration.logger.notice(
        "Requests run one by one", metadata: ["model": "\(model.file)", "reason": "\(soloReason)"])
    }
  }

  deinit { state.withLock { $0.alarm?.task.cancel() } }

  /// The number of requests that wait to run.
  public var queueLength: Int { state.withLock { $0.queue.waiting.count } }

  /// Runs the network.
  ///
  /// - Parameters:
  ///   - inputs: a tensor for each of the model's inputs, as ``Model/run(_:)-([Tensor])`` takes them. Their first
  ///     dimension is the batch.
  ///   - deadline: when the result is of no more use; nil for never.
  /// - Returns: a tensor for each of the model's outputs.
  /// - Throws: what ``Model/run(_:)-([Tensor])`` throws; `prediction.queue-full`, `prediction.deadline-exceeded`,
  ///   `prediction.closed`; `CancellationError`.
  public func predict(
    _ inputs: [Tensor], deadline: ContinuousClock.Instant? = nil
  ) async throws -> [Tensor] {
    try model.check(inputs)
    return try await withSpan("rbn.predict") { span in
      let request = PredictionRequest(inputs, deadline: deadline, priority: Task.currentPriority)
      span.attributes["rbn.model"] = metrics.model
      span.attributes["rbn.rows"] = request.rows
      do {
        let answer = try await withTaskCancellationHandler {
          try await withCheckedThrowingContinuation { continuation in
            request.start(continuation)
            enqueue(request)
          }
        } onCancel: {
          leave(request)
        }
        Handover.take(request)
        span.attributes["rbn.batch_rows"] = answer.batchRows
        metrics.count(.success)
        return answer.outputs
      } catch {
        metrics.count(PredictionMetrics.Outcome(error))
        throw error
      }
    }
  }

  /// Runs a network that takes one tensor and gives one.
  ///
  /// - Throws: as ``predict(_:deadline:)-([Tensor],_)``; `model.not-single` for a network with more inputs or outputs.
  public func predict(_ input: Tensor, deadline: ContinuousClock.Instant? = nil) async throws -> Tensor {
    guard model.outputs.count == 1 else { throw model.notSingle() }
    let outputs = try await predict([input], deadline: deadline)
    guard let output = outputs.first else { throw model.notSingle() }
    return output
  }

  /// Refuses new requests, and returns when those that were accepted have ended.
  public func shutdown() async {
    await withCheckedContinuation { continuation in
      state.withLock { state in
        state.isClosed = true
        state.drainers.append(continuation)
      }
      // Nobody will join those who wait for company.
      pump()
    }
  }

  /// Refuses, and counts as refused, what ``predict(_:deadline:)-([Tensor],_)`` would refuse now because the queue is
  /// full: for callers for whom it is work to make the inputs.
  ///
  /// - Throws: `prediction.queue-full`.
  package func checkQueue() throws {
    guard queueLength >= configuration.queueLimit else { return }
    metrics.count(.queueFull)
    throw RBNError.queueFull(configuration.queueLimit)
  }
}

// MARK: - From the queue to batches

extension BatchingPredictor {
  private func enqueue(_ request: PredictionRequest) {
    let refusal: RBNError? = state.withLock { state in
      if state.isClosed { return .predictorClosed() }
      if let deadline = request.deadline, deadline <= .now { return .deadlineExceeded() }
      guard state.queue.waiting.count < configuration.queueLimit else {
        return .queueFull(configuration.queueLimit)
      }
      state.queue.add(request)
      metrics.setQueueLength(state.queue.waiting.count)
      return nil
    }
    if let refusal {
      request.finish(.failure(refusal))
    } else {
      pump()
    }
  }

  /// Ends a request whose task was cancelled.
  private func leave(_ request: PredictionRequest) {
    state.withLock { $0.queue.remove(request) }
    request.finish(.failure(CancellationError()))
    pump()
  }

  /// Ends what is too late, starts what may start, and wakes those who wait for the end when nothing is left.
  private func pump() {
    let largestBatch = soloReason == nil ? configuration.largestBatch : 1
    let (expired, batches, drainers) = state.withLock { state in
      let now = ContinuousClock.now
      var expired = state.queue.removeExpired(at: now)
      expired += state.running.flatMap(\.waiting).filter { $0.deadline.map { $0 <= now } ?? false }
      if let pace = state.pace, let rowTime = pace.rowTimes.min(),
        state.running.count < configuration.concurrentBatches
      {
        expired += state.queue.removeHopeless(
          at: now, pace.kind, rowTime: rowTime, largestBatch: largestBatch)
      }
      var batches: [RunningBatch] = []
      var ripening: ContinuousClock.Instant?
      while state.running.count < configuration.concurrentBatches {
        let next = state.queue.next(
          at: now, largestBatch: largestBatch,
          longestWait: state.isClosed ? .zero : configuration.longestWait)
        guard case .batch(let requests) = next else {
          if case .later(let time) = next { ripening = time }
          break
        }
        let batch = RunningBatch(requests)
        state.running.append(batch)
        batches.append(batch)
      }
      metrics.setQueueLength(state.queue.waiting.count)
      let times = state.deadlines.filter { $0 > now } + [ripening].compactMap { $0 }
      if let first = times.min() { setAlarm(&state, first) }
      let isIdle = state.running.isEmpty && state.queue.waiting.isEmpty
      defer { if isIdle { state.drainers = [] } }
      return (expired, batches, isIdle ? state.drainers : [])
    }
    for request in expired { request.finish(.failure(RBNError.deadlineExceeded())) }
    for batch in batches { start(batch) }
    for drainer in drainers { drainer.resume() }
  }

  /// Sees to it that ``pump()`` is called when the first of those who wait is ripe or too late.
  ///
  /// An alarm that comes too early does no harm, so it stays when the request that it was for has ended: as a rule later
  /// requests have later deadlines, and then most need no timer of their own.
  private func setAlarm(_ state: inout State, _ time: ContinuousClock.Instant) {
    if let alarm = state.alarm, alarm.time <= time { return }
    state.alarm?.task.cancel()
    let task = Task(priority: .high) { [weak self] in
      guard (try? await Task.sleep(until: time, clock: .continuous)) != nil, let self else { return }
      self.state.withLock { if $0.alarm?.time == time { $0.alarm = nil } }
      self.pump()
    }
    state.alarm = (time, task)
  }

  private func start(_ batch: RunningBatch) {
    metrics.recordStart(of: batch)
    batch.setCall(
      calls.submit(priority: batch.priority) { [self] call in
        compute(batch, call)
        end(batch)
      } abandon: { [self] in
        end(batch)
      })
  }

  private func end(_ batch: RunningBatch) {
    state.withLock { $0.running.removeAll { $0 === batch } }
    pump()
  }

  /// Runs a batch on the calling thread, and gives each of its requests its outcome.
  private func compute(_ batch: RunningBatch, _ call: CallQueue.Call) {
    do {
      try run(batch.requests, call)
    } catch {
      // Together they may need what each does not, such as memory; then each gets what it would have got alone.
      guard batch.requests.count > 1, !(error is CancellationError) else {
        for request in batch.requests { request.finish(.failure(error)) }
        return
      }
      configuration.logger.warning(
        "A batch failed; its requests run one by one",
        metadata: [
          "model": "\(model.file)", "requests": "\(batch.requests.count)", "error": "\(error)",
        ])
      for request in batch.waiting {
        do {
          try run([request], call)
        } catch {
          request.finish(.failure(error))
        }
      }
    }
  }

  private func notePace(_ kind: PredictionRequest.Kind, _ rowTime: Duration) {
    state.withLock { state in
      // The first run at a size takes longer than those that follow, so the shorter of two counts.
      let before = state.pace.flatMap { $0.kind == kind ? $0.rowTimes.last : nil }
      state.pace = (kind, [before, rowTime].compactMap { $0 })
    }
  }

  private func run(_ requests: [PredictionRequest], _ call: CallQueue.Call) throws {
    let rows = requests.map(\.rows)
    let batchRows = rows.reduce(0, +)
    let start = ContinuousClock.now
    let outputs = try model.executor.run(
      try Batch.joined(requests.map(\.inputs)), isCancelled: { call.isCancelled })
    let time = ContinuousClock.now - start
    metrics.recordCompute(time, rows: batchRows)
    if let kind = requests.first?.kind { notePace(kind, time / max(batchRows, 1)) }
    for (request, outputs) in zip(requests, try Batch.split(outputs, rows: rows)) {
      request.finish(.success(PredictionRequest.Answer(outputs: outputs, batchRows: batchRows)))
    }
  }
}

extension RBNError.Code {
  /// As many requests wait as may wait: try again later, or elsewhere.
  public static let queueFull = Self("prediction.queue-full")
  /// The deadline of a request passed before its result was there.
  public static let deadlineExceeded = Self("prediction.deadline-exceeded")
  /// A predictor that shuts down takes no new requests.
  public static let predictorClosed = Self("prediction.closed")
}

extension RBNError {
  static func queueFull(_ limit: Int) -> RBNError {
    RBNError(
      .queueFull, .system, "\(limit) requests wait already, as many as may",
      advice: "try again later, or raise the limit of the queue")
  }

  package static func deadlineExceeded() -> RBNError {
    RBNError(.deadlineExceeded, .system, "the deadline passed before the result was there")
  }

  static func predictorClosed() -> RBNError {
    RBNError(.predictorClosed, .system, "the predictor is shutting down and takes no new requests")
  }
}
