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
    var runningBatches = 0
    var isClosed = false
    var alarm: (time: ContinuousClock.Instant, task: Task<Void, Never>)?
    /// Those who wait for the last request to end.
    var drainers: [CheckedContinuation<Void, Never>] = []
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
        let outputs = try await withTaskCancellationHandler {
          try await withCheckedThrowingContinuation { continuation in
            request.start(continuation)
            enqueue(request)
          }
        } onCancel: {
          leave(request, CancellationError())
        }
        span.attributes["rbn.batch_rows"] = request.batchRows
        metrics.count(.success)
        return outputs
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
    close()
    await withCheckedContinuation { continuation in
      let isIdle = state.withLock { state in
        if state.runningBatches == 0, state.queue.waiting.isEmpty { return true }
        state.drainers.append(continuation)
        return false
      }
      if isIdle { continuation.resume() }
    }
  }

  func close() {
    state.withLock { $0.isClosed = true }
    // Nobody will join those who wait for company.
    pump()
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

  /// Ends a request before its time.
  private func leave(_ request: PredictionRequest, _ error: any Error) {
    state.withLock { state in
      state.queue.remove(request)
      metrics.setQueueLength(state.queue.waiting.count)
    }
    request.finish(.failure(error))
    resumeDrainers()
  }

  /// Ends what is too late and starts what may start.
  private func pump() {
    let (expired, batches) = state.withLock { state in
      let now = ContinuousClock.now
      let expired = state.queue.removeExpired(at: now)
      var batches: [RunningBatch] = []
      var ripening: ContinuousClock.Instant?
      while state.runningBatches < configuration.concurrentBatches {
        let next = state.queue.next(
          at: now, largestBatch: soloReason == nil ? configuration.largestBatch : 1,
          longestWait: state.isClosed ? .zero : configuration.longestWait)
        guard case .batch(let requests) = next else {
          if case .later(let time) = next { ripening = time }
          break
        }
        state.runningBatches += 1
        batches.append(RunningBatch(requests))
      }
      metrics.setQueueLength(state.queue.waiting.count)
      setAlarm(&state, ripening)
      return (expired, batches)
    }
    for request in expired { request.finish(.failure(RBNError.deadlineExceeded())) }
    for batch in batches {
      setDeadlineAlarm(of: batch)
      batch.setTask(
        Task(priority: batch.priority) { [self] in
          await run(batch)
          state.withLock { $0.runningBatches -= 1 }
          pump()
          resumeDrainers()
        })
    }
    if !expired.isEmpty { resumeDrainers() }
  }

  /// Sees to it that ``pump()`` is called when the first of those who wait is ripe or too late.
  private func setAlarm(_ state: inout State, _ ripening: ContinuousClock.Instant?) {
    let deadlines = state.queue.waiting.compactMap(\.deadline)
    guard let time = (deadlines + [ripening].compactMap { $0 }).min() else { return }
    if let alarm = state.alarm, alarm.time <= time { return }
    state.alarm?.task.cancel()
    let task = Task { [weak self] in
      guard (try? await Task.sleep(until: time, clock: .continuous)) != nil, let self else { return }
      self.state.withLock { if $0.alarm?.time == time { $0.alarm = nil } }
      self.pump()
    }
    state.alarm = (time, task)
  }

  /// Answers those of a running batch whose deadline passes while it computes.
  private func setDeadlineAlarm(of batch: RunningBatch) {
    guard batch.requests.contains(where: { $0.deadline != nil }) else { return }
    batch.setAlarm(
      Task { [weak batch] in
        while let time = batch?.earliestDeadline {
          guard (try? await Task.sleep(until: time, clock: .continuous)) != nil else { return }
          for request in batch?.requests ?? [] {
            guard let deadline = request.deadline, deadline <= .now else { continue }
            request.finish(.failure(RBNError.deadlineExceeded()))
          }
        }
      })
  }

  private func resumeDrainers() {
    let drainers = state.withLock { state in
      guard state.runningBatches == 0, state.queue.waiting.isEmpty else {
        return [CheckedContinuation<Void, Never>]()
      }
      defer { state.drainers = [] }
      return state.drainers
    }
    for drainer in drainers { drainer.resume() }
  }

  private func run(_ batch: RunningBatch) async {
    defer { batch.end() }
    metrics.recordStart(of: batch)
    do {
      try await run(batch.requests, of: batch)
    } catch {
      // Together they may need what each does not, such as memory; then each gets what it would have got alone.
      guard batch.requests.count > 1, !(error is CancellationError) else {
        for request in batch.requests { request.finish(.failure(error)) }
        return
      }
      configuration.logger.warning(
        "A batch failed; its requests run one by one",
        metadata: ["model": "\(model.file)", "rows": "\(batch.rows)", "error": "\(error)"])
      for request in batch.requests where !request.isFinished {
        do {
          try await run([request], of: batch)
        } catch {
          request.finish(.failure(error))
        }
      }
    }
  }

  private func run(_ requests: [PredictionRequest], of batch: RunningBatch) async throws {
    let executor = model.executor
    let (metrics, rows) = (metrics, batch.rows)
    let results = try await calls.run { call in
      let start = ContinuousClock.now
      let inputs = try Batch.joined(requests.map(\.inputs))
      let outputs = try executor.run(inputs, isCancelled: { call.isCancelled || batch.isAbandoned })
      metrics.recordCompute(ContinuousClock.now - start, rows: rows)
      return try Batch.split(outputs, rows: requests.map(\.rows))
    }
    for (request, outputs) in zip(requests, results) { request.finish(.success(outputs)) }
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

  static func deadlineExceeded() -> RBNError {
    RBNError(.deadlineExceeded, .system, "the deadline passed before the result was there")
  }

  static func predictorClosed() -> RBNError {
    RBNError(.predictorClosed, .system, "the predictor is shutting down and takes no new requests")
  }
}
