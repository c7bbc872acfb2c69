#if Serving
import Foundation
public import Logging
import RBNFormats

/// Writes each log event as one line of JSON to standard error.
public struct JSONLogHandler: LogHandler {
  /// The level below which events are left out.
  public var logLevel = Logger.Level.info
  /// What every event carries.
  public var metadata = Logger.Metadata()
  /// What gives further metadata for each event.
  public var metadataProvider: Logger.MetadataProvider?
  private let label: String

  /// Makes a handler for the logger of this label.
  public init(label: String) { self.label = label }

  /// One entry of ``metadata``.
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// Writes an event.
  public func log(event: LogEvent) {
    var members = JSONObject([
      ("time", .string(Date().formatted(.iso8601.time(includingFractionalSeconds: true)))),
      ("level", .string(event.level.rawValue)),
      ("logger", .string(label)),
      ("message", .string("\(event.message)")),
    ])
    let all = metadata.merging(metadataProvider?.get() ?? [:]) { $1 }.merging(event.metadata ?? [:]) { $1 }
    for (key, value) in all.sorted(by: { $0.key < $1.key }) { members[key] = Self.json(value) }
    if let error = event.error { members["error"] = .string("\(error)") }
    let line = JSONValue.object(members).text() + "\n"
    // One call, so that lines of several threads don't mix; a log that can't be written is no reason to stop.
    try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
  }

  private static func json(_ value: Logger.Metadata.Value) -> JSONValue {
    switch value {
    case .string(let text): .string(text)
    case .stringConvertible(let value): .string(value.description)
    case .array(let values): .array(values.map(json))
    case .dictionary(let members):
      .object(JSONObject(members.sorted { $0.key < $1.key }.map { ($0.key, json($0.value)) }))
    }
  }
}
#endif
