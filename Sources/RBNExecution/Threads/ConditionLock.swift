#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A mutex with the two conditions that ``WorkerGroup`` waits for. Lives as long as the process.
final class ConditionLock: @unchecked Sendable {
  enum Condition: Int { case work, end }

  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let conditions: UnsafeMutablePointer<pthread_cond_t>

  init() {
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
    conditions = .allocate(capacity: 2)
    for i in 0..<2 {
      (conditions + i).initialize(to: pthread_cond_t())
      pthread_cond_init(conditions + i, nil)
    }
  }

  deinit {
    for i in 0..<2 { pthread_cond_destroy(conditions + i) }
    pthread_mutex_destroy(mutex)
    conditions.deallocate()
    mutex.deallocate()
  }

  func lock() { pthread_mutex_lock(mutex) }
  func unlock() { pthread_mutex_unlock(mutex) }
  func wait(_ condition: Condition) { pthread_cond_wait(conditions + condition.rawValue, mutex) }
  func signal(_ condition: Condition) { pthread_cond_signal(conditions + condition.rawValue) }
  func broadcast(_ condition: Condition) { pthread_cond_broadcast(conditions + condition.rawValue) }
}
