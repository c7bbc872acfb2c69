import Dispatch
import RBNExecution
import Synchronization

/// Runs blocking work for asynchronous callers, off Swift's cooperative threads.
///
/// As many calls run at once as the process has processors; others wait, those of tasks of higher priority first,
/// and of equal priority in the order of their arrival. A waiting call whose task is cancelled ends at once; a
/// running one is told through ``CallQueue/Call/isCancelled``.
package final class CallQueue: Sendable {
  /// The queue of the process: calls of all models share the processors.
  package static let shared = CallQueue(limit: ProcessorQuota.processorCount)

  private struct State {
    var running = 0
    /// By falling priority, then by arrival.
    var waiting: [(priority: TaskPriority, call: Call)] = []
  }

  private let limit: Int
  private let state = Mutex(State())
  private let queue = DispatchQueue(label: "rbn.calls", attributes: .concurrent)

  package init(limit: Int) { self.limit = max(limit, 1) }

  /// Runs `body` on a thread that may block, and gives its result.
  ///
  /// - Throws: what `body` throws; `CancellationError` when the task was cancelled before `body` began.
  package func run<Result: Sendable>(_ body: @escaping @Sendable (Call) throws -> Result) async throws
    -> Result
  {
    let call = Call()
    let result = try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        call.start(
          { call in
            let result = Swift.Result { try body(call) }
            Handover.give(call)
            continuation.resume(with: result)
          },
          abandon: { continuation.resume(throwing: CancellationError()) })
        add(call, Task.currentPriority)
      }
    } onCancel: {
      call.cancel()
    }
    Handover.take(call)
    return result
  }

  /// Runs `body` on a thread that may block, for callers that don't wait for it.
  ///
  /// - Parameter abandon: runs in its place when the call is cancelled before it began.
  package func submit(
    priority: TaskPriority, _ body: @escaping @Sendable (Call) -> Void,
    abandon: @escaping @Sendable () -> Void
  ) -> Call {
    let call = Call()
    call.start(body, abandon: abandon)
    add(call, priority)
    return call
  }

  private func add(_ call: Call, _ priority: TaskPriority) {
    let starts = state.withLock { state in
      guard state.running < limit else {
        let place = state.waiting.firstIndex { $0.priority < priority } ?? state.waiting.endIndex
        state.waiting.insert((priority, call), at: place)
        return false
      }
      state.running += 1
      return true
    }
    guard starts else { return }
    queue.async { [self] in
      var next: Call? = call
      while let current = next {
        current.perform()
        next = state.withLock { state in
          if state.waiting.isEmpty {
            state.running -= 1
            return nil
          }
          return state.waiting.removeFirst().call
        }
      }
    }
  }

  /// One call: waiting, running, or over.
  package final class Call: Sendable {
    private struct Work {
      var perform: (@Sendable (Call) -> Void)?
      var abandon: (@Sendable () -> Void)?
    }

    private let work = Mutex(Work())
    private let cancelled = Atomic<Bool>(false)

    /// Whether the task that waits for the result was cancelled.
    package var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    fileprivate func start(
      _ perform: @escaping @Sendable (Call) -> Void, abandon: @escaping @Sendable () -> Void
    ) {
      work.withLock { $0 = Work(perform: perform, abandon: abandon) }
      // The task may have been cancelled before there was anything to abandon.
      if isCancelled { take()?.abandon?() }
    }

    fileprivate func perform() { take()?.perform?(self) }

    /// Ends a call that waits, and tells one that runs.
    package func cancel() {
      cancelled.store(true, ordering: .relaxed)
      take()?.abandon?()
    }

    /// The work, which one caller gets: it is performed or abandoned, once.
    private func take() -> Work? {
      work.withLock { work in
        guard work.perform != nil else { return nil }
        defer { work = Work() }
        return work
      }
    }
  }
}
