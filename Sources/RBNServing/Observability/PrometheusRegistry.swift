#if Serving
import Metrics
import Synchronization

/// The metrics of the process, as swift-metrics reports them and as Prometheus reads them.
///
/// Timers become histograms in seconds, recorders histograms of what they record, or gauges when they don't aggregate.
/// A metric that is made again, with the same label and dimensions, goes on where it was.
public final class PrometheusRegistry: MetricsFactory {
  private let series = Mutex<[String: any PrometheusSeries]>([:])

  /// A registry without metrics.
  public init() {}

  /// All metrics in Prometheus's text format, version 0.0.4, in the order of their names.
  public func text() -> String {
    let series = series.withLock { $0 }.values.sorted { ($0.name, $0.labels) < ($1.name, $1.labels) }
    var text = ""
    var last = ""
    for one in series {
      if one.name != last { text += "# TYPE \(one.name) \(one.kind)\n" }
      last = one.name
      text += one.lines()
    }
    return text
  }

  private func find<Series: PrometheusSeries>(
    _ label: String, _ dimensions: [(String, String)], _ make: (String, String) -> Series
  ) -> Series {
    let name = Self.name(label)
    let labels = Self.labels(dimensions)
    return series.withLock { series in
      if let known = series[name + labels] as? Series { return known }
      let new = make(name, labels)
      series[name + labels] = new
      return new
    }
  }

  /// A name of the characters that Prometheus allows.
  private static func name(_ label: String) -> String {
    var name = String(label.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") ? $0 : "_" })
    if name.first?.isNumber ?? true { name = "_" + name }
    return name
  }

  /// `a="1",b="2"`, escaped.
  private static func labels(_ dimensions: [(String, String)]) -> String {
    dimensions.map { key, value in
      let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing(
        "\n", with: "\\n")
      return "\(name(key))=\"\(escaped)\""
    }.joined(separator: ",")
  }

  /// Makes a counter.
  public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    find(label, dimensions) { PrometheusCounter(name: $0, labels: $1) }
  }

  /// Makes a gauge, or a histogram of counts when it aggregates.
  public func makeRecorder(
    label: String, dimensions: [(String, String)], aggregate: Bool
  ) -> any RecorderHandler {
    aggregate
      ? find(label, dimensions) {
        PrometheusHistogram(name: $0, labels: $1, bounds: PrometheusHistogram.counts, scale: 1)
      } : find(label, dimensions) { PrometheusGauge(name: $0, labels: $1) }
  }

  /// Makes a gauge.
  public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    find(label, dimensions) { PrometheusGauge(name: $0, labels: $1) }
  }

  /// Makes a histogram in seconds.
  public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    find(label, dimensions) {
      PrometheusHistogram(name: $0, labels: $1, bounds: PrometheusHistogram.seconds, scale: 1e-9)
    }
  }

  /// Metrics stay: Prometheus expects a series that was there to be there.
  public func destroyCounter(_ handler: any CounterHandler) {}
  /// Metrics stay.
  public func destroyRecorder(_ handler: any RecorderHandler) {}
  /// Metrics stay.
  public func destroyTimer(_ handler: any TimerHandler) {}
  /// Metrics stay.
  public func destroyMeter(_ handler: any MeterHandler) {}
}

/// One metric with one set of labels.
private protocol PrometheusSeries: AnyObject, Sendable {
  var name: String { get }
  var labels: String { get }
  var kind: String { get }
  func lines() -> String
}

extension PrometheusSeries {
  fileprivate func line(_ suffix: String, _ more: String, _ value: String) -> String {
    let all = [labels, more].filter { !$0.isEmpty }.joined(separator: ",")
    return name + suffix + (all.isEmpty ? "" : "{\(all)}") + " " + value + "\n"
  }

  fileprivate func text(_ number: Double) -> String {
    number == number.rounded() && abs(number) < 1e15 ? "\(Int64(number))" : "\(number)"
  }
}

private final class PrometheusCounter: PrometheusSeries, CounterHandler {
  let name: String
  let labels: String
  let kind = "counter"
  private let value = Atomic<Int64>(0)

  init(name: String, labels: String) {
    self.name = name
    self.labels = labels
  }

  func increment(by amount: Int64) { value.wrappingAdd(amount, ordering: .relaxed) }
  func reset() { value.store(0, ordering: .relaxed) }
  func lines() -> String { line("", "", "\(value.load(ordering: .relaxed))") }
}

private final class PrometheusGauge: PrometheusSeries, MeterHandler, RecorderHandler {
  let name: String
  let labels: String
  let kind = "gauge"
  private let value = Mutex(0.0)

  init(name: String, labels: String) {
    self.name = name
    self.labels = labels
  }

  func set(_ value: Int64) { set(Double(value)) }
  func set(_ value: Double) { self.value.withLock { $0 = value } }
  func increment(by amount: Double) { value.withLock { $0 += amount } }
  func decrement(by amount: Double) { value.withLock { $0 -= amount } }
  func record(_ value: Int64) { set(Double(value)) }
  func record(_ value: Double) { set(value) }
  func lines() -> String { line("", "", text(value.withLock { $0 })) }
}

private final class PrometheusHistogram: PrometheusSeries, TimerHandler, RecorderHandler {
  static let seconds = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
  ]
  static let counts: [Double] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]

  private struct State {
    /// One more than there are bounds: the last is for what exceeds them all.
    var counts: [Int64]
    var sum = 0.0
  }

  let name: String
  let labels: String
  let kind = "histogram"
  private let bounds: [Double]
  private let scale: Double
  private let state: Mutex<State>

  init(name: String, labels: String, bounds: [Double], scale: Double) {
    self.name = name
    self.labels = labels
    self.bounds = bounds
    self.scale = scale
    state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
  }

  func recordNanoseconds(_ duration: Int64) { record(Double(duration)) }
  func record(_ value: Int64) { record(Double(value)) }

  func record(_ value: Double) {
    let value = value * scale
    let place = bounds.firstIndex { value <= $0 } ?? bounds.endIndex
    state.withLock { state in
      state.counts[place] &+= 1
      state.sum += value
    }
  }

  func lines() -> String {
    let state = state.withLock { $0 }
    var total: Int64 = 0
    var lines = ""
    for (bound, count) in zip(bounds, state.counts) {
      total &+= count
      lines += line("_bucket", "le=\"\(text(bound))\"", "\(total)")
    }
    total &+= state.counts.last ?? 0
    lines += line("_bucket", "le=\"+Inf\"", "\(total)")
    return lines + line("_sum", "", "\(state.sum)") + line("_count", "", "\(total)")
  }
}
#endif
