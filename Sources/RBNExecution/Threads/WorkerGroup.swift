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
  /// Everything but `next` is read and written under the group's lock, or, as `body` and `count`, written before
  /// workers can see the loop and cleared after the last has left.
  private final class Loop: @unchecked Sendable {
    let next = Atomic<Int>(0)
    /// Workers inside of the loop; written under the lock, read without it only to decide to stop waiting.
    let inside = Atomic<Int>(0)
    var count = 0
    var body = rbn_loop_body()
    /// The processor that the caller ran on.
    var processor: Int32 = -1
    /// Workers that may still join.
    var openPlaces = 0
    /// Workers that have joined, the caller not counted.
    var joined = 0

    /// Claims indices until there are none left.
    func work(as worker: Int) {
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < count else { return }
        rbn_call_loop_body(body, index, worker)
      }
    }

    var isExhausted: Bool { next.load(ordering: .relaxed) >= count }
  }

  private struct State {
    var loops: [Loop] = []
    var spare: [Loop] = []
    var workerCount = 0
    var sleeping = 0
    var callersWaiting = 0
  }

  private let lock = ConditionLock()
  /// Guarded by `lock`.
  private nonisolated(unsafe) var state = State()
  /// Changes whenever a loop is added, for workers that spin.
  private let generation = Atomic<Int>(0)

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
    defer { lock.unlock() }
    while state.workerCount < threads - 1, startWorker() { state.workerCount += 1 }
    let loop = state.spare.popLast() ?? Loop()
    loop.next.store(0, ordering: .relaxed)
    loop.count = count
    loop.body = body
    loop.processor = rbn_current_processor()
    loop.openPlaces = threads - 1
    loop.joined = 0
    state.loops.append(loop)
    generation.add(1, ordering: .releasing)
    for _ in 0..<min(threads - 1, state.sleeping) { lock.signal(.work) }
    return loop
  }

  /// Waits for the workers that are inside, and retires the loop.
  private func end(_ loop: Loop) {
    lock.lock()
    state.loops.removeAll { $0 === loop }
    if loop.inside.load(ordering: .relaxed) > 0 {
      lock.unlock()
      spin { loop.inside.load(ordering: .acquiring) == 0 }
      lock.lock()
      state.callersWaiting += 1
      while loop.inside.load(ordering: .relaxed) > 0 { lock.wait(.end) }
      state.callersWaiting -= 1
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
    var hasSpun = false
    lock.lock()
    while true {
      if let loop = openLoop() {
        loop.openPlaces -= 1
        loop.joined += 1
        let worker = loop.joined
        let processor = loop.processor
        loop.inside.add(1, ordering: .relaxed)
        lock.unlock()
        // Schedulers like to wake a thread beside the one that woke it, and may leave them together for a whole call.
        if processor >= 0, rbn_current_processor() == processor { rbn_leave_processor(processor) }
        loop.work(as: worker)
        lock.lock()
        let left = loop.inside.subtract(1, ordering: .releasing).newValue
        if left == 0, state.callersWaiting > 0 { lock.broadcast(.end) }
        hasSpun = false
      } else if !hasSpun {
        let seen = generation.load(ordering: .relaxed)
        lock.unlock()
        spin { generation.load(ordering: .acquiring) != seen }
        lock.lock()
        hasSpun = true
      } else {
        state.sleeping += 1
        lock.wait(.work)
        state.sleeping -= 1
        hasSpun = false
      }
    }
  }

  /// Of the loops that a worker may join, the one with the fewest workers, so that callers share fairly.
  private func openLoop() -> Loop? {
    var best: Loop?
    for loop in state.loops where loop.openPlaces > 0 && !loop.isExhausted {
      if best.map({ loop.joined < $0.joined }) ?? true { best = loop }
    }
    return best
  }

  private func spin(until done: () -> Bool) {
    let start = clock_gettime_nsec()
    while !done() {
      let waited = clock_gettime_nsec() &- start
      if waited > Self.spinNanoseconds {
        if waited > Self.yieldNanoseconds { return }
        sched_yield()
      } else {
        for _ in 0..<8 { rbn_spin_hint() }
      }
    }
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
