import RBNExecution
import Synchronization

/// One call of `predict`, from its arrival to its one outcome.
final class PredictionRequest: Sendable {
  /// What requests must share to run together: the shape of a row of each input, and its dtype.
  struct Kind: Hashable {
    var rowShapes: [Shape]
    var dtypes: [DType]
  }

  /// What a request gets.
  struct Answer: Sendable {
    var outputs: [Tensor]
    /// The number of rows that ran together with this request's, its own included.
    var batchRows: Int
  }

  typealias Outcome = Result<Answer, any Error>

  private enum Progress {
    case created
    case waiting(CheckedContinuation<Answer, any Error>)
    /// Ended before anybody waited.
    case endedEarly(Outcome)
    case ended
  }

  let inputs: [Tensor]
  let rows: Int
  let kind: Kind
  let priority: TaskPriority
  let arrival = ContinuousClock.now
  let deadline: ContinuousClock.Instant?

  private let progress = Mutex(Progress.created)
  private let batch = Mutex<RunningBatch?>(nil)

  /// - Parameter inputs: as `Model.check` accepts them.
  init(_ inputs: [Tensor], deadline: ContinuousClock.Instant?, priority: TaskPriority) {
    self.inputs = inputs
    self.deadline = deadline
    self.priority = priority
    rows = inputs.first?.shape.first ?? 1
    kind = Kind(rowShapes: inputs.map { Shape(Array($0.shape.dropFirst())) }, dtypes: inputs.map(\.dtype))
  }

  var isFinished: Bool {
    progress.withLock { progress in
      switch progress {
      case .created, .waiting: false
      case .endedEarly, .ended: true
      }
    }
  }

  func start(_ continuation: CheckedContinuation<Answer, any Error>) {
    let outcome: Outcome? = progress.withLock { progress in
      if case .endedEarly(let outcome) = progress {
        progress = .ended
        return outcome
      }
      progress = .waiting(continuation)
      return nil
    }
    if let outcome { continuation.resume(with: outcome) }
  }

  func join(_ running: RunningBatch) {
    batch.withLock { $0 = running }
    // It may have ended between the queue and here.
    if isFinished { leaveBatch() }
  }

  /// Gives the caller its outcome. Only the first call counts.
  func finish(_ outcome: Outcome) {
    let (isFirst, continuation): (Bool, CheckedContinuation<Answer, any Error>?) = progress.withLock {
      progress in
      switch progress {
      case .created:
        progress = .endedEarly(outcome)
        return (true, nil)
      case .waiting(let continuation):
        progress = .ended
        return (true, continuation)
      case .endedEarly, .ended: return (false, nil)
      }
    }
    guard isFirst else { return }
    leaveBatch()
    Handover.give(self)
    continuation?.resume(with: outcome)
  }

  /// Tells the batch, once, that nobody waits for this request any more.
  private func leaveBatch() {
    let running = batch.withLock { batch in
      defer { batch = nil }
      return batch
    }
    running?.oneLeft()
  }
}

/// Requests that run together.
final class RunningBatch: Sendable {
  let requests: [PredictionRequest]
  private let left: Atomic<Int>
  private let call = Mutex<CallQueue.Call?>(nil)

  init(_ requests: [PredictionRequest]) {
    self.requests = requests
    left = Atomic(requests.count)
    for request in requests { request.join(self) }
  }

  /// The highest of its requests.
  var priority: TaskPriority { requests.map(\.priority).max() ?? .medium }

  /// Whether nobody waits for a result any more.
  var isAbandoned: Bool { left.load(ordering: .relaxed) <= 0 }

  /// Those who still wait.
  var waiting: [PredictionRequest] { requests.filter { !$0.isFinished } }

  func oneLeft() {
    if left.subtract(1, ordering: .relaxed).newValue == 0 { call.withLock { $0 }?.cancel() }
  }

  /// The call that computes the batch, which is cancelled when nobody waits for a result any more.
  func setCall(_ call: CallQueue.Call) {
    self.call.withLock { $0 = call }
    if isAbandoned { call.cancel() }
  }
}
