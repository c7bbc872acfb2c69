#if Serving
import Foundation
import HTTPTypes

/// What a path stands for.
enum Route: Hashable, Sendable {
  case page
  case pageStyle
  case pageScript
  case openAPI
  case metrics
  case server
  case live
  case ready
  case repositoryIndex
  case load(String)
  case unload(String)
  case model(String, version: String?)
  case modelReady(String, version: String?)
  case infer(String, version: String?)
  case classify(String, version: String?)

  /// Reads a path, with or without a slash at its end.
  ///
  /// - Returns: nil for a path that stands for nothing.
  init?(path: String) {
    var parts: [String] = []
    for part in path.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
      let isPlain = !part.utf8.contains(UInt8(ascii: "%"))
      guard let part = isPlain ? String(part) : String(part).removingPercentEncoding else { return nil }
      parts.append(part)
    }
    if parts.last == "" { parts.removeLast() }
    switch (parts.first, parts.count) {
    case (nil, _): self = .page
    case ("page.css", 1): self = .pageStyle
    case ("page.js", 1): self = .pageScript
    case ("openapi.json", 1): self = .openAPI
    case ("metrics", 1): self = .metrics
    case ("v2", _):
      guard let route = Self.protocolRoute(parts.dropFirst()) else { return nil }
      self = route
    default: return nil
    }
  }

  private static func protocolRoute(_ parts: ArraySlice<String>) -> Route? {
    let parts = Array(parts)
    switch parts.first {
    case nil: return .server
    case "health" where parts.count == 2:
      return parts[1] == "live" ? .live : parts[1] == "ready" ? .ready : nil
    case "repository" where parts == ["repository", "index"]: return .repositoryIndex
    case "repository" where parts.count == 4 && parts[1] == "models":
      return parts[3] == "load" ? .load(parts[2]) : parts[3] == "unload" ? .unload(parts[2]) : nil
    case "models" where parts.count >= 2:
      var rest = parts[2...]
      var version: String?
      if rest.first == "versions", rest.count >= 2 {
        version = rest[rest.startIndex + 1]
        rest = rest.dropFirst(2)
      }
      switch Array(rest) {
      case []: return .model(parts[1], version: version)
      case ["ready"]: return .modelReady(parts[1], version: version)
      case ["infer"]: return .infer(parts[1], version: version)
      case ["classify"]: return .classify(parts[1], version: version)
      default: return nil
      }
    default: return nil
    }
  }

  /// The method that it is asked with; HEAD goes where GET does.
  var method: HTTPRequest.Method {
    switch self {
    case .repositoryIndex, .load, .unload, .infer, .classify: .post
    default: .get
    }
  }

  /// Whether it is answered without a token.
  var isOpen: Bool {
    switch self {
    case .live, .ready, .metrics, .page, .pageStyle, .pageScript: true
    default: false
    }
  }

  /// The path with placeholders, for metrics, spans and logs.
  var template: String {
    switch self {
    case .page: "/"
    case .pageStyle: "/page.css"
    case .pageScript: "/page.js"
    case .openAPI: "/openapi.json"
    case .metrics: "/metrics"
    case .server: "/v2"
    case .live: "/v2/health/live"
    case .ready: "/v2/health/ready"
    case .repositoryIndex: "/v2/repository/index"
    case .load: "/v2/repository/models/{model}/load"
    case .unload: "/v2/repository/models/{model}/unload"
    case .model: "/v2/models/{model}"
    case .modelReady: "/v2/models/{model}/ready"
    case .infer: "/v2/models/{model}/infer"
    case .classify: "/v2/models/{model}/classify"
    }
  }
}
#endif
