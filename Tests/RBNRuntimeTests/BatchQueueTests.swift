import Testing

@testable import RBNRuntime

@Suite struct BatchQueueTests {
  private static func request(
    rows: Int = 1, side: Int = 2, deadline: ContinuousClock.Instant? = nil, _ priority: TaskPriority = .medium
  ) throws -> PredictionRequest {
    PredictionRequest([try Tensor.zeros([rows, side])], deadline: deadline, priority: priority)
  }

  private static func batch(
    _ queue: inout BatchQueue, at now: ContinuousClock.Instant = .now, largest: Int = 4,
    wait: Duration = .zero
  ) -> [PredictionRequest]? {
    guard case .batch(let requests) = queue.next(at: now, largestBatch: largest, longestWait: wait) else {
      return nil
    }
    return requests
  }

  @Test func higherPrioritiesRunFirstAndEqualOnesInOrder() throws {
    let requests = try [TaskPriority.low, .high, .medium, .high, .low].map { try Self.request($0) }
    var queue = BatchQueue()
    for request in requests { queue.add(request) }
    let order = queue.waiting.map { request in requests.firstIndex { $0 === request } }
    #expect(order == [1, 3, 2, 0, 4])
    let batch = try #require(Self.batch(&queue))
    #expect(batch.map { request in requests.firstIndex { $0 === request } } == [1, 3, 2, 0])
    #expect(queue.waiting.count == 1)
  }

  @Test func onlyRequestsOfOneKindRunTogether() throws {
    var queue = BatchQueue()
    for side in [2, 3, 2, 3, 3] { queue.add(try Self.request(side: side)) }
    let first = try #require(Self.batch(&queue))
    #expect(first.map { $0.kind.rowShapes } == [[[2]], [[2]]])
    // Three are there; two make a batch.
    let second = try #require(Self.batch(&queue))
    #expect(second.map { $0.kind.rowShapes } == [[[3]], [[3]]])
    #expect(Self.batch(&queue)?.count == 1)
    #expect(Self.batch(&queue) == nil)
  }

  @Test func aBatchIsRipeWhenItIsFullOrHasWaited() throws {
    var queue = BatchQueue()
    let first = try Self.request()
    queue.add(first)
    guard
      case .later(let time) = queue.next(at: first.arrival, largestBatch: 4, longestWait: .seconds(1))
    else {
      Issue.record("a request that is alone should wait")
      return
    }
    #expect(time == first.arrival + .seconds(1))
    for _ in 0..<3 { queue.add(try Self.request()) }
    #expect(Self.batch(&queue, at: first.arrival, wait: .seconds(1))?.count == 4)
    let last = try Self.request()
    queue.add(last)
    #expect(Self.batch(&queue, at: last.arrival + .milliseconds(999), wait: .seconds(1)) == nil)
    #expect(Self.batch(&queue, at: last.arrival + .seconds(1), wait: .seconds(1))?.count == 1)
  }

  @Test func whatCouldNotEndInTimeDoesNotBegin() throws {
    let now = ContinuousClock.now
    func hopeless(_ milliseconds: [Int?], largest: Int = 8) throws -> [Int] {
      let requests = try milliseconds.map { time in
        try Self.request(deadline: time.map { now + .milliseconds($0) })
      }
      var queue = BatchQueue()
      for request in requests { queue.add(request) }
      let gone = queue.removeHopeless(
        at: now, requests[0].kind, rowTime: .milliseconds(20), largestBatch: largest)
      #expect(queue.waiting.count == requests.count - gone.count)
      return gone.compactMap { request in requests.firstIndex { $0 === request } }
    }
    // Three take 60 ms, the other two 40 ms.
    #expect(try hopeless([30, 100, 100]) == [0])
    // Of eight that have 100 ms each, five can be served.
    #expect(try hopeless(Array(repeating: 100, count: 8)).count == 3)
    // A batch is no longer than the largest.
    #expect(try hopeless(Array(repeating: 100, count: 8), largest: 4).isEmpty)
    #expect(try hopeless([nil, nil, 30, nil]) == [2])
    #expect(try hopeless([5]).isEmpty)
    // Those of another kind are none of its business.
    var queue = BatchQueue()
    for side in [3, 3] { queue.add(try Self.request(side: side, deadline: now + .milliseconds(1))) }
    let other = try Self.request().kind
    #expect(queue.removeHopeless(at: now, other, rowTime: .seconds(1), largestBatch: 8).isEmpty)
  }

  @Test func aFullKindDoesNotWaitForOneThatIsNot() throws {
    var queue = BatchQueue()
    queue.add(try Self.request(side: 9))
    for _ in 0..<4 { queue.add(try Self.request()) }
    let batch = try #require(Self.batch(&queue, wait: .seconds(3600)))
    #expect(batch.count == 4)
    #expect(batch.allSatisfy { $0.kind.rowShapes == [[2]] })
  }

  @Test(arguments: [
    ([1], 8, 1), ([1, 1, 1], 8, 2), ([1, 1, 1, 1, 1], 8, 4), ([Int](repeating: 1, count: 20), 8, 8),
    ([3], 8, 1), ([3, 1], 8, 2), ([3, 4], 8, 1), ([5, 3, 1], 8, 2), ([100, 1], 8, 1), ([1, 100], 8, 1),
    ([1, 1, 1, 1, 1, 1], 6, 6), ([1, 1], 1, 1), ([], 8, 0), ([.max, .max], 8, 1), ([2, .max], .max, 1),
  ])
  func aBatchHasAPowerOfTwoRowsOrTheMost(rows: [Int], largest: Int, count: Int) {
    #expect(BatchQueue.count(rows, largestBatch: largest) == count)
  }

  @Test func expiredRequestsLeave() throws {
    var queue = BatchQueue()
    let now = ContinuousClock.now
    let requests = [
      try Self.request(deadline: now - .seconds(1)), try Self.request(),
      try Self.request(deadline: now + .seconds(1)), try Self.request(deadline: now),
    ]
    for request in requests { queue.add(request) }
    let expired = queue.removeExpired(at: now)
    #expect(expired.map { request in requests.firstIndex { $0 === request } } == [0, 3])
    #expect(queue.waiting.count == 2)
  }

  @Test func requestsThatEndedDontRun() throws {
    var queue = BatchQueue()
    let requests = try (0..<3).map { _ in try Self.request() }
    for request in requests { queue.add(request) }
    requests[1].finish(.failure(CancellationError()))
    let batch = try #require(Self.batch(&queue))
    #expect(batch.count == 2)
    let running = RunningBatch(batch)
    #expect(!running.isAbandoned)
    let answer = PredictionRequest.Answer(outputs: [], batchRows: 2)
    batch[0].finish(.success(answer))
    batch[0].finish(.success(answer))
    #expect(!running.isAbandoned)
    batch[1].finish(.failure(CancellationError()))
    #expect(running.isAbandoned)
  }
}
