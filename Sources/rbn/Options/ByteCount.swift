import ArgumentParser

/// A number of bytes on the command line: `1000000`, `512MB` (powers of 1000) or `2GiB` (powers of 1024).
struct ByteCount: ExpressibleByArgument {
  let value: Int

  private static let units: [(suffix: String, factor: Int)] = [
    ("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("tib", 1 << 40), ("kb", 1000), ("mb", 1_000_000),
    ("gb", 1_000_000_000), ("tb", 1_000_000_000_000), ("b", 1),
  ]

  /// Nil for what is no positive number of bytes that an `Int` holds.
  init?(argument: String) {
    let text = argument.lowercased()
    let unit = Self.units.first { text.hasSuffix($0.suffix) }
    let digits = unit.map { text.dropLast($0.suffix.count) } ?? text[...]
    guard let number = Int(digits), number > 0 else { return nil }
    let (value, overflow) = number.multipliedReportingOverflow(by: unit?.factor ?? 1)
    guard !overflow else { return nil }
    self.value = value
  }
}
