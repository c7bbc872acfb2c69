import Foundation
import Synchronization
import Testing

@testable import RBNExecution

@Suite struct ThreadPoolTests {
  @Test(arguments: [1, 2, 3, 8], [0, 1, 2, 7, 1000])
  func callsEveryIndexOnce(_ threads: Int, _ count: Int) {
    var calls = [Int](repeating: 0, count: count)
    calls.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let buffer = buffer
      ThreadPool(threads: threads).parallelFor(count: count) { index, worker in
        buffer[index] += 1
        #expect((0..<threads).contains(worker))
      }
    }
    #expect(calls.allSatisfy { $0 == 1 })
  }

  @Test(arguments: [1, 2, 3, 7], [1, 2, 8, 23])
  func sharesAreNeighboursAndThenThoseOfOthers(_ workers: Int, _ count: Int) {
    let shares = IndexShares()
    shares.divide(count, among: workers)
    let last = workers - 1
    #expect(!shares.areTaken)
    let claimed = (0..<count).compactMap { _ in shares.claim(for: last) }
    #expect(claimed.sorted() == Array(0..<count))
    // The last worker's own share is at the end, and its indices come first, in order.
    let own = count / workers
    #expect(claimed.prefix(own).elementsEqual(count - own..<count))
    #expect(shares.areTaken)
    for worker in 0..<workers { #expect(shares.claim(for: worker) == nil) }
  }

  @Test func aLoopAfterALoopOfFewerWorkersHasAllItsIndices() {
    let shares = IndexShares()
    for (count, workers) in [(1000, 4), (1, 1), (5, 5), (17, 2)] {
      shares.divide(count, among: workers)
      let claimed = (0...count).compactMap { shares.claim(for: $0 % workers) }
      #expect(claimed.sorted() == Array(0..<count))
    }
  }

  @Test func workersWakeUpAfterAPause() {
    for _ in 0..<3 {
      // Longer than workers look for work before they sleep.
      usleep(5000)
      let seen = (0..<3).map { _ in Flag() }
      // Other tests' loops may keep the workers for a while.
      for _ in 0..<200 where !seen.allSatisfy({ $0.value.load(ordering: .relaxed) }) {
        ThreadPool(threads: 3).parallelFor(count: 60) { _, worker in
          usleep(500)
          seen[worker].value.store(true, ordering: .relaxed)
        }
      }
      #expect(seen.map { $0.value.load(ordering: .relaxed) } == [true, true, true])
    }
  }

  @Test func workersOfALoopAreDistinct() {
    let busy = (0..<4).map { _ in Flag() }
    ThreadPool(threads: 4).parallelFor(count: 400) { _, worker in
      let wasBusy = busy[worker].value.exchange(true, ordering: .acquiring)
      #expect(!wasBusy)
      usleep(10)
      busy[worker].value.store(false, ordering: .releasing)
    }
  }

  private final class Flag: Sendable {
    let value = Atomic<Bool>(false)
  }

  @Test func nestedLoopsRunInline() {
    let total = Atomic<Int>(0)
    ThreadPool(threads: 3).parallelFor(count: 8) { _, _ in
      let outer = pthread_self()
      ThreadPool(threads: 3).parallelFor(count: 5) { _, worker in
        #expect(worker == 0 && pthread_equal(outer, pthread_self()) != 0)
        total.add(1, ordering: .relaxed)
      }
    }
    let totalCount = total.load(ordering: .relaxed)
    #expect(totalCount == 40)
  }

  @Test func writesAreSeenAfterTheLoop() {
    var values = [Int](repeating: 0, count: 5000)
    for round in 1...50 {
      values.withUnsafeMutableBufferPointer { buffer in
        nonisolated(unsafe) let buffer = buffer
        ThreadPool(threads: 4).parallelFor(count: buffer.count) { index, _ in buffer[index] += index }
      }
      #expect(values[4999] == 4999 * round && values.reduce(0, +) == 4999 * 2500 * round)
    }
  }

  @Test func manyCallersAtOnce() async {
    let total = Counter()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<6 {
        group.addTask {
          for count in 1..<60 {
            ThreadPool(threads: 3).parallelFor(count: count) { _, _ in total.value.add(1, ordering: .relaxed)
            }
          }
        }
      }
    }
    let totalCount = total.value.load(ordering: .relaxed)
    #expect(totalCount == 6 * 59 * 30)
  }

  private final class Counter: Sendable {
    let value = Atomic<Int>(0)
  }

  @Test func aViewIsNeverEmpty() {
    #expect(ThreadPool(threads: 0).threads == 1)
    #expect(ThreadPool(threads: -3).threads == 1)
    #expect(ThreadPool(threads: .max).threads == ThreadPool.threadLimit)
    #expect(ThreadPool.shared.threads >= 1)
  }
}

@Suite struct ProcessorQuotaTests {
  private func quota(_ files: [String: String]) -> Int? {
    ProcessorQuota.controlGroupQuota { files[$0] }
  }

  @Test func controlGroupsVersion2() {
    let group = ["/proc/self/cgroup": "0::/a/b\n"]
    #expect(quota(group) == nil)
    #expect(quota(group.merging(["/sys/fs/cgroup/a/b/cpu.max": "max 100000\n"]) { $1 }) == nil)
    #expect(quota(group.merging(["/sys/fs/cgroup/a/b/cpu.max": "150000 100000\n"]) { $1 }) == 2)
    #expect(
      quota(
        group.merging([
          "/sys/fs/cgroup/a/b/cpu.max": "800000 100000\n", "/sys/fs/cgroup/a/cpu.max": "300000 100000\n",
        ]) { $1 }) == 3)
    #expect(quota(["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "50000 100000"]) == 1)
  }

  @Test func controlGroupsVersion1() {
    let group = ["/proc/self/cgroup": "12:cpuset:/x\n4:cpu,cpuacct:/docker/y\n"]
    let base = "/sys/fs/cgroup/cpu/docker/y"
    let files = ["\(base)/cpu.cfs_quota_us": "400000\n", "\(base)/cpu.cfs_period_us": "100000\n"]
    #expect(quota(group.merging(files) { $1 }) == 4)
    #expect(quota(group.merging(files) { $1 }.merging(["\(base)/cpu.cfs_quota_us": "-1\n"]) { $1 }) == nil)
  }

  @Test func nonsenseIsNoQuota() {
    for text in ["", "x y", "1", "nan 100000", "100000 0", "inf 1", "-5 10"] {
      let quota = quota(["/proc/self/cgroup": "0::/\n:::\nfoo", "/sys/fs/cgroup/cpu.max": text])
      #expect(quota == nil || (quota ?? 0) <= 65536, "\(text)")
    }
  }
}
