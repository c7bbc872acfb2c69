/// The right to use up to `threads` threads of the process's one set of compute threads.
///
/// Every view shares the same workers, so several callers at once never use more than the process should; a view
/// that asks for more threads than there are processors gets them, which is for tests and for people who insist.
package struct ThreadPool: Sendable {
  /// As many threads as the CPU affinity and the control group's quota allow.
  package static let shared = ThreadPool(threads: ProcessorQuota.processorCount)

  /// The most threads that one view uses, whatever is asked for.
  package static let threadLimit = 256

  /// The number of threads that take part in a loop, the caller's included; at least 1.
  package let threads: Int

  /// Makes a view limited to `threads` threads, brought into 1 ... ``threadLimit``.
  package init(threads: Int) { self.threads = min(max(threads, 1), Self.threadLimit) }

  /// Calls `body(index, worker)` once for every index in `0 ..< count`, on several threads at once; returns when all
  /// calls have returned.
  ///
  /// A worker claims indices one at a time, first of its own share of neighbours, then of the others' (``IndexShares``); what
  /// is near in memory should be near in the loop. `worker` is in `0 ..< threads` and no two concurrent calls of one loop share
  /// it, which makes it an index of scratch memory. The calling thread takes part as worker 0, so a loop never waits
  /// for workers that are busy elsewhere. A loop inside of a loop's body runs on the thread that starts it.
  package func parallelFor(count: Int, _ body: (_ index: Int, _ worker: Int) -> Void) {
    guard count > 0 else { return }
    WorkerGroup.process.run(count: count, threads: min(threads, count), body)
  }
}
