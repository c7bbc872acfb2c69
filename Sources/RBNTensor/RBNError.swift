/// What went wrong, where, and what to do about it.
///
/// Every failure that a file, a request or a caller can cause is reported as an `RBNError`. `code` is stable
/// and meant for programs; `description` is meant for people and names the file, the place in it and the remedy.
public struct RBNError: Error, Hashable, Sendable {
  /// A stable identifier of a kind of failure, such as `archive.duplicate-entry`.
  ///
  /// Each module declares its codes in an extension beside the rules that they stand for.
  public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The identifier: `<area>.<rule>`, lower case, words joined by hyphens.
    public let rawValue: String

    /// Makes a code from its identifier.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// Makes a code from its identifier.
    public init(_ rawValue: String) { self.rawValue = rawValue }

    /// The identifier.
    public var description: String { rawValue }
  }

  /// Whose fault it is, which decides the exit status of `rbn`.
  public enum Subject: String, Hashable, Sendable {
    /// The call or the command line is wrong: exit status 2.
    case usage
    /// The model can't be used: exit status 3.
    case model
    /// An input (an image, a tensor) can't be used: exit status 4.
    case input
    /// The machine refused something, such as memory or a file that can't be written: exit status 4.
    case system
  }

  /// The kind of failure.
  public var code: Code
  /// Whose fault it is.
  public var subject: Subject
  /// The file at fault, as the caller named it.
  public var file: String?
  /// The place in the file or the model: an archive entry, a state-dict key, an op, a layer.
  public var location: String?
  /// What is wrong, in a sentence without a full stop.
  public var message: String
  /// What to do about it, in a sentence without a full stop.
  public var advice: String?

  /// Makes an error. `file` and `location` may be filled in later by callers who know them.
  public init(
    _ code: Code, _ subject: Subject, file: String? = nil, location: String? = nil, _ message: String,
    advice: String? = nil
  ) {
    self.code = code
    self.subject = subject
    self.file = file
    self.location = location
    self.message = message
    self.advice = advice
  }

  /// The same error with `file` set, unless it already names one.
  public func inFile(_ name: String) -> RBNError {
    var copy = self
    if copy.file == nil { copy.file = name }
    return copy
  }

  /// The same error with `location` set, unless it already names one.
  public func at(_ place: String) -> RBNError {
    var copy = self
    if copy.location == nil { copy.location = place }
    return copy
  }
}

extension RBNError: CustomStringConvertible {
  /// `file: location: message (advice)`, without the parts that are not known.
  public var description: String {
    var text = [file, location, message].compactMap { $0 }.joined(separator: ": ")
    if let advice { text += " (\(advice))" }
    return text
  }
}

extension RBNError.Code {
  /// A shape with a negative dimension, or whose size in bytes exceeds `Int.max`.
  public static let invalidShape = Self("tensor.invalid-shape")
  /// The number of scalars or bytes given is not what the shape needs.
  public static let sizeMismatch = Self("tensor.size-mismatch")
  /// A dtype that the operation does not accept.
  public static let unsupportedDType = Self("tensor.unsupported-dtype")
  /// The machine did not give the memory asked for.
  public static let outOfMemory = Self("system.out-of-memory")
}
