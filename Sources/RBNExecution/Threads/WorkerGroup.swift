import CRBNKernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The process's compute threads and the loops they work on.
final class WorkerGroup: Sendable {
  static let process = WorkerGroup()

  /// How long a thread that waits for work, or for the end of a loop, does nothing else.
  private static let spinNanoseconds: UInt64 = 20_000
  /// How long it then goes on looking while it offers its processor to every other thread, before it sleeps. A virtual processor
  /// that sleeps takes a good part of a millisecond to come back, as long as a layer takes.
  private static let yieldNanoseconds: UInt64 = 500_000

  /// One call of `ThreadPool.parallelFor`. Reused when it has ended, so that a loop allocates nothing.
  ///
  /// Everything but `shares` and `inside` is read and written under the group's lock, or, as `body` and `processor`, written
  /// before workers can see the loop and not again until the last has left.
  private final class Loop: @unchecked Sendable {
    let shares = IndexShares()
    /// Workers inside of the loop; they join under the lock and leave without it.
    let inside = Atomic<Int>(0)
    var body = rbn_loop_body()
    /// The processor that the caller ran on.
    var processor: Int32 = -1
    /// Workers that may still join.
    var openPlaces = 0
    /// Workers that have joined, the caller not counted.
    var joined = 0

    /// Claims indices until there are none left.
    func work(as worker: Int) {
      while let index = shares.claim(for: worker) { rbn_call_loop_body(body, index, worker) }
    }

    /// Takes one of the open places; gives the worker's number.
    func join() -> Int {
      openPlaces -= 1
      joined += 1
      inside.add(1, ordering: .relaxed)
      return joined
    }

    var isInUse: Bool { inside.load(ordering: .sequentiallyConsistent) > 0 }
  }

  private struct State {
    var loops: [Loop] = []
    var spare: [Loop] = []
    var workerCount = 0
    var sleeping = 0
  }

  private let lock = ConditionLock()
  /// Guarded by `lock`.
  private nonisolated(unsafe) var state = State()
  /// Changes whenever a loop is added, for workers that spin.
  private let generation = Atomic<Int>(0)
  /// Callers that sleep until a loop's workers have left.
  private let callersWaiting = Atomic<Int>(0)

  /// Never inlined: what `body` changes must be looked up again after the call, whatever the optimiser knows of it.
  @inline(never)
  func run(count: Int, threads: Int, _ body: (Int, Int) -> Void) {
    guard threads > 1, rbn_in_parallel_loop() == 0 else {
      let outer = rbn_set_in_parallel_loop(1)
      for index in 0..<count { body(index, 0) }
      _ = rbn_set_in_parallel_loop(outer)
      return
    }
    var parts = rbn_loop_body()
    takeApart(body, &parts)
    let loop = begin(count: count, threads: threads, parts)
    _ = rbn_set_in_parallel_loop(1)
    loop.work(as: 0)
    _ = rbn_set_in_parallel_loop(0)
    end(loop)
    // The closure and its variables live until here.
    takeApart(body, &parts)
  }

  private func begin(count: Int, threads: Int, _ body: rbn_loop_body) -> Loop {
    lock.lock()
    while state.workerCount < threads - 1, startWorker() { state.workerCount += 1 }
    let loop = state.spare.popLast() ?? Loop()
    loop.shares.divide(count, among: threads)
    loop.body = body
    loop.processor = rbn_current_processor()
    loop.openPlaces = threads - 1
    loop.joined = 0
    state.loops.append(loop)
    for _ in 0..<min(threads - 1, state.sleeping) { lock.signal(.work) }
    lock.unlock()
    // Last, so that the workers that it calls find the lock free.
    generation.add(1, ordering: .releasing)
    return loop
  }

  /// Waits for the workers that are inside, and retires the loop.
  private func end(_ loop: Loop) {
    lock.lock()
    state.loops.removeAll { $0 === loop }
    if loop.isInUse {
      lock.unlock()
      spin { !loop.isInUse }
      lock.lock()
      callersWaiting.add(1, ordering: .sequentiallyConsistent)
      while loop.isInUse { lock.wait(.end) }
      callersWaiting.subtract(1, ordering: .sequentiallyConsistent)
    }
    loop.body = rbn_loop_body()
    state.spare.append(loop)
    lock.unlock()
  }

  /// Starts one detached thread; `false` when the system refuses, in which case fewer threads do the work.
  private func startWorker() -> Bool {
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread = pthread_t()
    #endif
    // Signals are for the application's own threads.
    var all = sigset_t()
    var former = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &former)
    defer { pthread_sigmask(SIG_SETMASK, &former, nil) }
    let status = pthread_create(
      &thread, nil,
      { _ in
        WorkerGroup.process.workForever()
        return nil
      }, nil)
    guard status == 0 else { return false }
    #if canImport(Darwin)
      if let thread { pthread_detach(thread) }
    #else
      pthread_detach(thread)
    #endif
    return true
  }

  private func workForever() {
    _ = rbn_set_in_parallel_loop(1)
    while true {
      lock.lock()
      let seen = generation.load(ordering: .relaxed)
      let loop = openLoop()
      let worker = loop?.join()
      let mayBeMore = state.loops.count > 1
      lock.unlock()
      if let loop, let worker {
        // Schedulers like to wake a thread beside the one that woke it, and may leave them together for a whole call.
        let processor = loop.processor
        if processor >= 0, rbn_current_processor() == processor { rbn_leave_processor(processor) }
        loop.work(as: worker)
        leave(loop)
        if mayBeMore { continue }
      }
      if spin(until: { generation.load(ordering: .acquiring) != seen }) { continue }
      lock.lock()
      if openLoop() == nil {
        state.sleeping += 1
        lock.wait(.work)
        state.sleeping -= 1
      }
      lock.unlock()
    }
  }

  /// The end of a worker's part in a loop, which its caller may use for something else from now on.
  private func leave(_ loop: Loop) {
    guard loop.inside.subtract(1, ordering: .sequentiallyConsistent).newValue == 0,
      callersWaiting.load(ordering: .sequentiallyConsistent) > 0
    else { return }
    lock.lock()
    lock.broadcast(.end)
    lock.unlock()
  }

  /// Of the loops that a worker may join, the one with the fewest workers, so that callers share fairly.
  private func openLoop() -> Loop? {
    var best: Loop?
    for loop in state.loops where loop.openPlaces > 0 && !loop.shares.areTaken {
      if best.map({ loop.joined < $0.joined }) ?? true { best = loop }
    }
    return best
  }

  /// Waits for a while; whether it has come about.
  @discardableResult
  private func spin(until done: () -> Bool) -> Bool {
    let start = clock_gettime_nsec()
    while !done() {
      let waited = clock_gettime_nsec() &- start
      if waited > Self.spinNanoseconds {
        if waited > Self.yieldNanoseconds { return false }
        sched_yield()
      } else {
        for _ in 0..<8 { rbn_spin_hint() }
      }
    }
    return true
  }

  private func clock_gettime_nsec() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(bitPattern: Int64(now.tv_sec)) &* 1_000_000_000 &+ UInt64(bitPattern: Int64(now.tv_nsec))
  }
}

/// Gives the two words of a closure that does not escape, for other threads to call while its owner waits for them.
/// The language's own way, `withoutActuallyEscaping`, takes a block of the heap for each loop.
@_silgen_name("rbn_take_closure_apart")
private func takeApart(_ body: (Int, Int) -> Void, _ parts: UnsafeMutablePointer<rbn_loop_body>)
