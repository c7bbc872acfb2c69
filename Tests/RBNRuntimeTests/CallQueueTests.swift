import Dispatch
import Foundation
import Synchronization
import Testing

@testable import RBNRuntime

@Suite struct CallQueueTests {
  private final class Gauge: Sendable {
    let now = Atomic<Int>(0)
    let largest = Atomic<Int>(0)

    func enter() {
      let count = now.wrappingAdd(1, ordering: .relaxed).newValue
      largest.max(count, ordering: .relaxed)
    }
    func leave() { now.wrappingSubtract(1, ordering: .relaxed) }
  }

  @Test func noMoreThanTheLimitRunAtOnce() async throws {
    let queue = CallQueue(limit: 3)
    let gauge = Gauge()
    let results = try await withThrowingTaskGroup(of: Int.self) { group in
      for index in 0..<100 {
        group.addTask {
          try await queue.run { _ in
            gauge.enter()
            usleep(500)
            gauge.leave()
            return index
          }
        }
      }
      return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
    }
    #expect(results == Set(0..<100))
    let largest = gauge.largest.load(ordering: .relaxed)
    #expect((1...3).contains(largest))
  }

  @Test func aWaitingCallEndsAsSoonAsItsTaskIsCancelled() async throws {
    let queue = CallQueue(limit: 1)
    let gate = DispatchSemaphore(value: 0)
    let blocking = Task { try await queue.run { _ in gate.wait() } }
    let ran = Gauge()
    let waiting = Task { try await queue.run { _ in ran.enter() } }
    waiting.cancel()
    // Ends although the call before it still runs.
    await #expect(throws: CancellationError.self) { try await waiting.value }
    gate.signal()
    try await blocking.value
    try await queue.run { _ in }
    let count = ran.largest.load(ordering: .relaxed)
    #expect(count == 0)
  }

  @Test func aRunningCallIsToldOfCancellation() async throws {
    let queue = CallQueue(limit: 1)
    let started = DispatchSemaphore(value: 0)
    let task = Task {
      try await queue.run { call in
        started.signal()
        while !call.isCancelled { usleep(100) }
        throw CancellationError()
      }
    }
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        started.wait()
        continuation.resume()
      }
    }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }
}
