import Foundation

/// Numbers and quantities as people read them.
enum Format {
  /// `12.3 MB`, in powers of 1000.
  static func bytes(_ count: Int) -> String { scaled(Double(count), ["B", "kB", "MB", "GB", "TB"]) }

  /// `4.1 G`, in powers of 1000.
  static func count(_ count: Int) -> String { scaled(Double(count), ["", "k", "M", "G", "T"]) }

  private static func scaled(_ value: Double, _ units: [String]) -> String {
    var (value, index) = (value, 0)
    while value >= 999.5, index + 1 < units.count { (value, index) = (value / 1000, index + 1) }
    let digits = index == 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0
    return (fixed(value, digits) + " " + units[index]).trimmingCharacters(in: .whitespaces)
  }

  /// `12.30` for two digits.
  static func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

  /// `1.2e-07`.
  static func scientific(_ value: Double) -> String { value == 0 ? "0" : String(format: "%.1e", value) }

  /// Four significant digits.
  static func number(_ value: Double) -> String { String(format: "%.4g", value) }

  /// `(1, 3, 224, 224)`, as Python prints it.
  static func shape(_ sizes: [Int]) -> String {
    sizes.count == 1 ? "(\(sizes[0]),)" : "(" + sizes.map(String.init).joined(separator: ", ") + ")"
  }

  /// Lines of a key and a value, the values under each other.
  static func facts(_ facts: [(key: String, value: String)]) -> String {
    let width = facts.map { $0.key.count }.max() ?? 0
    return facts.map { key, value in
      key + String(repeating: " ", count: width - key.count + 2) + value + "\n"
    }.joined()
  }
}
