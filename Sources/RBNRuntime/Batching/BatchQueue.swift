/// The requests that wait, and which of them run next.
struct BatchQueue {
  /// What may run.
  enum Next {
    /// These requests, which have left the queue.
    case batch([PredictionRequest])
    /// Nothing before this time, unless others come.
    case later(ContinuousClock.Instant)
    case nothing
  }

  /// By falling priority, then by arrival.
  private(set) var waiting: [PredictionRequest] = []

  mutating func add(_ request: PredictionRequest) {
    let place = waiting.firstIndex { $0.priority < request.priority } ?? waiting.endIndex
    waiting.insert(request, at: place)
  }

  mutating func remove(_ request: PredictionRequest) { waiting.removeAll { $0 === request } }

  /// Takes out those whose deadline has come.
  mutating func removeExpired(at now: ContinuousClock.Instant) -> [PredictionRequest] {
    let expired = waiting.filter { $0.deadline.map { $0 <= now } ?? false }
    if !expired.isEmpty { waiting.removeAll { request in expired.contains { $0 === request } } }
    return expired
  }

  /// Takes out those of a kind whose results would come too late even if the next batch began now. To begin them would take
  /// the time that others still have.
  ///
  /// - Parameter rowTime: how long a row of the kind takes.
  mutating func removeHopeless(
    at now: ContinuousClock.Instant, _ kind: PredictionRequest.Kind, rowTime: Duration, largestBatch: Int
  ) -> [PredictionRequest] {
    let requests = waiting.filter { $0.kind == kind }
    let timed = requests.compactMap { request in request.deadline.map { (request, $0) } }
    var rows = requests.reduce(0) { $0 + $1.rows }
    var hopeless: [PredictionRequest] = []
    // With each that leaves, the batch gets shorter for the others. One that is alone may always try.
    for (request, deadline) in timed.sorted(by: { $0.1 < $1.1 }).prefix(max(requests.count - 1, 0)) {
      guard deadline < now + rowTime * min(rows, largestBatch) else { break }
      rows -= request.rows
      hopeless.append(request)
    }
    waiting.removeAll { request in hopeless.contains { $0 === request } }
    return hopeless
  }

  /// Takes out the next batch: of the first kind of requests, in their order, that is ripe.
  ///
  /// A kind is ripe when `largestBatch` rows of it are there, or when one of its requests has waited for
  /// `longestWait`.
  ///
  /// - Complexity: O(waiting · kinds).
  mutating func next(
    at now: ContinuousClock.Instant, largestBatch: Int, longestWait: Duration
  ) -> Next {
    waiting.removeAll { $0.isFinished }
    var seen: Set<PredictionRequest.Kind> = []
    var earliest: ContinuousClock.Instant?
    for first in waiting where seen.insert(first.kind).inserted {
      let requests = waiting.filter { $0.kind == first.kind }
      let rows = requests.reduce(0) { $0 + $1.rows }
      let oldest = requests.map(\.arrival).min() ?? now
      let ripe = oldest + longestWait
      guard rows >= largestBatch || ripe <= now else {
        earliest = min(earliest ?? ripe, ripe)
        continue
      }
      let batch = Array(requests.prefix(Self.count(requests.map(\.rows), largestBatch: largestBatch)))
      waiting.removeAll { request in batch.contains { $0 === request } }
      return .batch(batch)
    }
    return earliest.map { .later($0) } ?? .nothing
  }

  /// How many of the requests, of so many rows each, run together: as many as make a batch of 1, 2, 4, … or
  /// `largestBatch` rows; the first alone where none do.
  static func count(_ rows: [Int], largestBatch: Int) -> Int {
    var sum = 0
    var best = 1
    for (index, count) in rows.enumerated() {
      let (next, overflow) = sum.addingReportingOverflow(count)
      if overflow || next > largestBatch { break }
      sum = next
      if sum == largestBatch || sum.nonzeroBitCount == 1 { best = index + 1 }
    }
    return min(best, rows.count)
  }
}
