#if Serving
import Dispatch
import Foundation

/// A client that sends what it is told to, byte for byte, over a socket of its own.
struct HTTPClient: Sendable {
  struct Answer: Sendable {
    var status: Int
    var headers: [String: String]
    var body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as JSON; nil when it is something else.
    var json: Any? { try? JSONSerialization.jsonObject(with: Data(body), options: .fragmentsAllowed) }

    /// A member of the body.
    subscript(key: String) -> Any? { (json as? [String: Any])?[key] }

    var error: String? { self["error"] as? String }
  }

  let port: Int

  /// Sends a request and gives the answer. The connection closes with it.
  func send(
    _ method: String, _ path: String, _ headers: [String: String] = [:], body: [UInt8] = [],
    timeout: Double = 60
  ) async throws -> Answer {
    var text = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    for (name, value) in headers { text += "\(name): \(value)\r\n" }
    if !body.isEmpty || method == "POST" { text += "Content-Length: \(body.count)\r\n" }
    let request = Array((text + "\r\n").utf8) + body
    guard let answer = try await exchange(request, timeout: timeout) else {
      throw POSIXError(.ECONNRESET)
    }
    return answer
  }

  func get(_ path: String, _ headers: [String: String] = [:]) async throws -> Answer {
    try await send("GET", path, headers)
  }

  func post(_ path: String, _ headers: [String: String] = [:], json: Any) async throws -> Answer {
    try await send("POST", path, headers, body: Array(try JSONSerialization.data(withJSONObject: json)))
  }

  /// Sends bytes and reads to the end of the connection.
  ///
  /// - Parameters:
  ///   - pause: seconds between the first half of the bytes and the second.
  ///   - isEnd: whether the server learns that no more bytes will come.
  /// - Returns: nil when the server closed the connection without an answer.
  func exchange(
    _ request: [UInt8], pause: Double = 0, isEnd: Bool = false, timeout: Double = 60
  ) async throws -> Answer? {
    let port = port
    return try await withCheckedThrowingContinuation { continuation in
      DispatchQueue(label: "client").async {
        continuation.resume(
          with: Result {
            let connection = try Connection(port: port, timeout: timeout)
            let half = pause > 0 ? request.count / 2 : request.count
            connection.write(Array(request[..<half]))
            if pause > 0 {
              Thread.sleep(forTimeInterval: pause)
              connection.write(Array(request[half...]))
            }
            if isEnd { connection.end() }
            return Answer(try connection.readToEnd())
          })
      }
    }
  }
}

/// A TCP connection to this machine, with blocking calls.
final class Connection {
  private let descriptor: Int32

  init(port: Int, timeout: Double) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var limit = timeval(tv_sec: Int(timeout), tv_usec: Int((timeout - timeout.rounded(.down)) * 1e6))
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port)).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else {
      let code = errno
      close(descriptor)
      throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO)
    }
  }

  deinit { close(descriptor) }

  /// Writes as much as the server takes: one that answers early may not read to the end.
  func write(_ bytes: [UInt8]) {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        send(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      done += count
    }
  }

  /// Tells the server that nothing more will be written.
  func end() { shutdown(descriptor, Int32(SHUT_WR)) }

  func readToEnd() throws -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN { throw POSIXError(.ETIMEDOUT) }
      // A reset after the answer is an end as well.
      guard count > 0 else { return bytes }
      bytes += buffer[..<count]
    }
  }
}

extension HTTPClient.Answer {
  /// Reads one answer; those of status 100 before it are skipped.
  init?(_ bytes: [UInt8]) {
    let separator = Array("\r\n\r\n".utf8)
    var rest = bytes[...]
    var lines: [String] = []
    status = 100
    while status == 100 {
      guard let end = rest.indices.first(where: { rest[$0...].starts(with: separator) }) else { return nil }
      lines = String(decoding: rest[..<end], as: UTF8.self).components(separatedBy: "\r\n")
      let words = lines[0].split(separator: " ")
      guard words.count >= 2, let code = Int(words[1]) else { return nil }
      status = code
      rest = rest[(end + 4)...]
    }
    headers = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { continue }
      headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
    }
    body = headers["content-length"].flatMap { Int($0) }.map { Array(rest.prefix($0)) } ?? Array(rest)
  }
}
#endif
