import Synchronization

/// The indices of a loop, divided among its workers: each has a share of indices that lie side by side, and claims those
/// of others when its own are taken.
///
/// In loops over the same rows, one after the other, a thread then mostly meets the rows that it met before, and finds them
/// in its cache. Which thread claims an index changes nothing but the time.
final class IndexShares: @unchecked Sendable {
  private struct Share: ~Copyable {
    let next = Atomic<Int>(0)
    var end = 0
  }

  /// Bytes from share to share: each has a cache line to itself.
  private static let stride = 64

  private let memory = UnsafeMutableRawPointer.allocate(
    byteCount: ThreadPool.threadLimit * stride, alignment: stride)
  private var workers = 0

  init() {
    for worker in 0..<ThreadPool.threadLimit { share(of: worker).initialize(to: Share()) }
  }

  deinit {
    for worker in 0..<ThreadPool.threadLimit { share(of: worker).deinitialize(count: 1) }
    memory.deallocate()
  }

  private func share(of worker: Int) -> UnsafeMutablePointer<Share> {
    (memory + worker * Self.stride).assumingMemoryBound(to: Share.self)
  }

  /// Divides 0 ..< `count` among `workers`; nobody may claim an index meanwhile.
  func divide(_ count: Int, among workers: Int) {
    self.workers = workers
    let (each, rest) = count.quotientAndRemainder(dividingBy: workers)
    var first = 0
    for worker in 0..<workers {
      let share = share(of: worker)
      share.pointee.next.store(first, ordering: .relaxed)
      first += each + (worker < rest ? 1 : 0)
      share.pointee.end = first
    }
  }

  /// An index that nobody has claimed, of the worker's own share first; `nil` when there is none left.
  func claim(for worker: Int) -> Int? {
    var owner = worker
    for _ in 0..<workers {
      let share = share(of: owner)
      if share.pointee.next.load(ordering: .relaxed) < share.pointee.end {
        let index = share.pointee.next.wrappingAdd(1, ordering: .relaxed).oldValue
        if index < share.pointee.end { return index }
      }
      owner = owner + 1 < workers ? owner + 1 : 0
    }
    return nil
  }

  /// Whether every index is claimed.
  var areTaken: Bool {
    for worker in 0..<workers {
      let share = share(of: worker)
      if share.pointee.next.load(ordering: .relaxed) < share.pointee.end { return false }
    }
    return true
  }
}
