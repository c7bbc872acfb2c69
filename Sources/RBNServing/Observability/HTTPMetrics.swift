#if Serving
import HTTPTypes
import Metrics
import Synchronization

/// What is counted of requests, by route.
final class HTTPMetrics: Sendable {
  private let factory: any MetricsFactory
  private let active: Meter
  private let count = Atomic<Int>(0)

  init(_ factory: any MetricsFactory) {
    self.factory = factory
    active = Meter(label: "rbn_http_active_requests", factory: factory)
  }

  func began() { active.set(count.add(1, ordering: .relaxed).newValue) }

  func ended(_ route: Route?, _ method: HTTPRequest.Method, _ status: Int, _ duration: Duration) {
    active.set(count.subtract(1, ordering: .relaxed).newValue)
    let path = route?.template ?? "unknown"
    // A client can send any method; only those that exist may make a series.
    let known: [HTTPRequest.Method] = [.get, .head, .post, .put, .delete, .options, .patch]
    let method = known.contains(method) ? method.rawValue : "other"
    Counter(
      label: "rbn_http_requests_total",
      dimensions: [("route", path), ("method", method), ("status", "\(status)")], factory: factory
    ).increment()
    Timer(label: "rbn_http_request_seconds", dimensions: [("route", path)], factory: factory)
      .recordNanoseconds(duration.nanoseconds)
  }
}
#endif
