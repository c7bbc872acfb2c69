#if Serving
import HTTPTypes
import Metrics
import Synchronization

/// What is counted of requests, by route.
final class HTTPMetrics: Sendable {
  private struct Key: Hashable {
    var route: String
    var method: String
    var status: Int
  }

  private let factory: any MetricsFactory
  private let active: Meter
  /// To make a metric costs more than to count with it.
  private let made = Mutex<[Key: (requests: Counter, seconds: Timer)]>([:])

  init(_ factory: any MetricsFactory) {
    self.factory = factory
    active = Meter(label: "rbn_http_active_requests", factory: factory)
  }

  func began() { active.increment() }

  func ended(_ route: Route?, _ method: HTTPRequest.Method, _ status: Int, _ duration: Duration) {
    active.decrement()
    // A client can send any method; only those that exist may make a series.
    let known: [HTTPRequest.Method] = [.get, .head, .post, .put, .delete, .options, .patch]
    let key = Key(
      route: route?.template ?? "unknown", method: known.contains(method) ? method.rawValue : "other",
      status: status)
    let (requests, seconds) = made.withLock { made in
      if let metrics = made[key] { return metrics }
      let metrics = make(key)
      made[key] = metrics
      return metrics
    }
    requests.increment()
    seconds.recordNanoseconds(duration.nanoseconds)
  }

  private func make(_ key: Key) -> (Counter, Timer) {
    let requests = Counter(
      label: "rbn_http_requests_total",
      dimensions: [("route", key.route), ("method", key.method), ("status", "\(key.status)")],
      factory: factory)
    let seconds = Timer(
      label: "rbn_http_request_seconds", dimensions: [("route", key.route)], factory: factory)
    return (requests, seconds)
  }
}
#endif
