import Foundation

/// How far a long job is, on one line of a terminal: count, rate, remaining time. Silent where standard error is no
/// terminal.
struct ProgressLine {
  private let total: Int
  private let unit: String
  private let start = ContinuousClock.now
  private var shown: ContinuousClock.Instant?

  init(total: Int, unit: String) {
    self.total = total
    self.unit = unit
  }

  mutating func update(done: Int) {
    let now = ContinuousClock.now
    guard StandardError.isTerminal, total > 1 else { return }
    if done < total, let shown, now - shown < .milliseconds(100) { return }
    shown = now
    let seconds = (now - start) / .seconds(1)
    let rate = seconds > 0 ? Double(done) / seconds : 0
    let remaining = rate > 0 ? "\(Int((Double(total - done) / rate).rounded(.up))) s left" : ""
    StandardError.write("\r\u{1B}[K\(done)/\(total) \(unit)  \(Format.fixed(rate, 1))/s  \(remaining)")
  }

  /// Removes the line, before anything else is written and at the end.
  mutating func clear() {
    guard shown != nil else { return }
    shown = nil
    StandardError.write("\r\u{1B}[K")
  }
}
