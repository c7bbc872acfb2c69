/// Gives every name once: one that is taken is numbered.
///
/// - Complexity: O(1) for each name, amortised, however often one is asked for.
struct UniqueNames {
  private var taken: Set<String> = []
  /// For each name that was asked for again, the last number tried.
  private var repeats: [String: Int] = [:]

  /// The name itself when it is free, else the first of `repeated(1)`, `repeated(2)`, … that is.
  mutating func claim(_ name: String, repeated: (Int) -> String) -> String {
    if taken.insert(name).inserted { return name }
    var number = repeats[name, default: 0]
    var unique: String
    repeat {
      number += 1
      unique = repeated(number)
    } while !taken.insert(unique).inserted
    repeats[name] = number
    return unique
  }
}
