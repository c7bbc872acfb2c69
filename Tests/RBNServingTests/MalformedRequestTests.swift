#if Serving
import Foundation
import RBNRuntime
import Testing

@testable import RBNServing

@Suite struct MalformedRequestTests {
  private static let infer = "/v2/models/digits/infer"

  /// One rule each: what is wrong, and a word that the answer must have.
  @Test func everyRuleHasItsMessage() async throws {
    let data = "[" + Array(repeating: "0.5", count: 64).joined(separator: ",") + "]"
    let zeros = "[" + Array(repeating: "0", count: 64).joined(separator: ",") + "]"
    func input(_ changes: String) -> String { #"{"inputs":[{\#(changes)}]}"# }
    let head = #""name":"x","datatype":"FP32","shape":[1,1,8,8]"#
    let cases: [(String, String)] = [
      ("", "JSON"), ("{", "JSON"), ("null", "object"), ("[]", "object"), ("{}", "inputs"),
      (#"{"inputs":1}"#, "array"), (#"{"inputs":[]}"#, "empty"), (#"{"inputs":[1]}"#, "object"),
      (#"{"inputs":[{}]}"#, "name"), (input(#""name":1"#), "string"),
      (input(#""name":"x","shape":[1],"data":[1]"#), "datatype"),
      (input(#""name":"x","datatype":"FP99","shape":[1],"data":[1]"#), "FP99"),
      (input(#""name":"x","datatype":"INT32","shape":[1,1,8,8],"data":\#(zeros)"#), "floating-point"),
      (input(#""name":"x","datatype":"BYTES","shape":[1],"data":["a"]"#), "BYTES"),
      (input(#""name":"x","datatype":"INT32","shape":[1],"data":[1.5]"#), "int32"),
      (input(#""name":"x","datatype":"INT8","shape":[1],"data":[128]"#), "8 bits"),
      (input(#""name":"x","datatype":"UINT64","shape":[1],"data":[-1]"#), "64 bits"),
      (input(#""name":"x","datatype":"INT64","shape":[1],"data":[9007199254740993]"#), "exactly"),
      (input(#""name":"x","datatype":"BOOL","shape":[1],"data":[2]"#), "bool"),
      (input(#""name":"x","datatype":"FP32","shape":[1],"data":[true]"#), "float32"),
      (input(#""name":"x","datatype":"FP32","data":[1]"#), "shape"),
      (input(#""name":"x","datatype":"FP32","shape":"x","data":[1]"#), "array"),
      (input(#""name":"x","datatype":"FP32","shape":[1.5],"data":[1]"#), "integer"),
      (input(#""name":"x","datatype":"FP32","shape":[-1],"data":[1]"#), "shape"),
      (input(#""name":"x","datatype":"FP32","shape":[9223372036854775807,9],"data":[1]"#), "shape"),
      (input(#""name":"x","datatype":"FP32","shape":[9223372036854775808],"data":[1]"#), "64 bits"),
      (input(#""name":"x","datatype":"FP32","shape":[4000000000],"data":[1]"#), "elements"),
      (input(head), "data"), (input(head + #","data":1"#), "array"),
      (input(head + #","data":[1]"#), "elements"),
      (input(head + #","data":["a"]"#), "elements"), (input(head + #","data":[[1]]"#), "array"),
      (input(head + #","data":[[[[1,2]]]]"#), "elements"),
      (input(head + #","data":\#(data),"parameters":1"#), "object"),
      (input(head + #","data":\#(data),"parameters":{"binary_data_size":256}"#), "both"),
      (input(head + #","parameters":{"binary_data_size":255}"#), "256"),
      (input(head + #","parameters":{"binary_data_size":256}"#), "follow"),
      (input(head + #","parameters":{"binary_data_size":"x"}"#), "integer"),
      (input(#""name":"other","datatype":"FP32","shape":[1,1,8,8],"data":\#(data)"#), "takes x"),
      (input(#""name":"x","datatype":"FP32","shape":[1,64],"data":\#(data)"#), "shape"),
      (input(#""name":"x","datatype":"FP32","shape":[0,1,8,8],"data":[]"#), "shape"),
      (input(#""name":"x","datatype":"FP32","shape":[],"data":[1]"#), "shape"),
      (input(head + #","data":\#(data)},{\#(head),"data":\#(data)"#), "twice"),
      (#"{"inputs":[{\#(head),"data":\#(data)}],"outputs":[{"name":"x"}]}"#, "no output"),
      (#"{"inputs":[{\#(head),"data":\#(data)}],"outputs":[{"name":"output"},{"name":"output"}]}"#, "twice"),
      (
        #"{"inputs":[{\#(head),"data":\#(data)}],"outputs":[{"name":"output","parameters":{"classification":0}}]}"#,
        "classification"
      ),
      (#"{"inputs":[{\#(head),"data":\#(data)}],"parameters":{"timeout":-1}}"#, "negative"),
      (#"{"inputs":[{\#(head),"data":\#(data)}],"parameters":{"binary_data_output":1}}"#, "boolean"),
      (#"{"inputs":[{\#(head),"data":\#(data)}],"id":7}"#, "string"),
      (#"{"inputs":[{\#(head),"data":\#(data)}],"inputs":[]}"#, "twice"),
    ]
    try await TestServer.run { test in
      for (body, word) in cases {
        let answer = try await test.client.send("POST", Self.infer, body: Array(body.utf8))
        #expect(answer.status == 400, "\(body): \(answer.status) \(answer.text)")
        #expect(answer.error?.contains(word) ?? false, "\(body): \(answer.text)")
      }
      let good = #"{"inputs":[{\#(head),"data":\#(data)}]}"#
      for length in ["0", "-1", "x", "99999999999999999999", "100000", "", "1.5"] {
        let answer = try await test.client.send(
          "POST", Self.infer, ["Inference-Header-Content-Length": length], body: Array(good.utf8))
        #expect(answer.status == 400, "\(length): \(answer.text)")
      }
      let trailing = try await test.client.send(
        "POST", Self.infer, ["Inference-Header-Content-Length": "\(good.utf8.count)"],
        body: Array((good + "xx").utf8))
      #expect(trailing.status == 400)
      let encoded = try await test.client.send(
        "POST", Self.infer, ["Content-Encoding": "gzip"], body: Array(good.utf8))
      #expect(encoded.status == 415)
      // Values that are not finite, in and so out.
      let request = try InferJSON.binary(
        try Tensor(shape: [1, 1, 8, 8], scalars: Array(repeating: .nan, count: 64)))
      let nan = try await test.client.send("POST", Self.infer, request.headers, body: request.body)
      #expect(nan.status == 422, "\(nan.text)")
      #expect(try await test.client.send("POST", Self.infer, body: Array(good.utf8)).status == 200)
    }
  }

  /// Ten thousand requests, made of a right one by seeded damage: each is answered with 2xx or 4xx, and the server lives.
  @Test func tenThousandDamagedRequestsAreAnswered() async throws {
    let image = try TestServer.digits(1)
    let json = Array(
      try JSONSerialization.data(withJSONObject: [
        "inputs": [InferJSON.input(image)],
        "outputs": [["name": "output", "parameters": ["classification": 2]]],
      ]))
    let binary = try InferJSON.binary(image, parameters: ["binary_data_output": true])
    let photo = Array(
      try Data(
        contentsOf: URL(fileURLWithPath: TestServer.fixture("digits/images")).appendingPathComponent(
          try #require(
            try FileManager.default.contentsOfDirectory(atPath: TestServer.fixture("digits/images")).sorted()
              .first))))
    try await TestServer.run(
      ["digits.rbn": TestServer.digits],
      { configuration in
        configuration.limits.requestTime = .seconds(5)
        configuration.limits.idleTime = .seconds(2)
        configuration.limits.activationBytes = 64 << 20
      }
    ) { test in
      let counts = try await withThrowingTaskGroup(of: [Int: Int].self) { group in
        for worker in 0..<8 {
          group.addTask {
            var random = Damage(seed: UInt64(worker))
            var counts: [Int: Int] = [:]
            for index in 0..<1250 {
              let request: [UInt8]
              switch index % 4 {
              case 0: request = random.request(Self.infer, [:], random.damaged(json))
              case 1: request = random.request(Self.infer, binary.headers, random.damaged(binary.body))
              case 2: request = random.request("/v2/models/digits/classify", [:], random.damaged(photo))
              default: request = random.damaged(random.request(Self.infer, [:], json), from: 0)
              }
              let answer = try await test.client.exchange(request, isEnd: true, timeout: 30)
              // A closed connection is an answer only to what is no request.
              let status = answer?.status ?? 0
              counts[status, default: 0] += 1
              let isRight =
                (200...299).contains(status) || (400...499).contains(status)
                || (status == 0 && index % 4 == 3)
              #expect(isRight, "\(worker), \(index): \(status) \(answer?.text ?? "")")
              if status >= 400 { #expect(answer?.error != nil, "\(worker), \(index): \(answer?.text ?? "")") }
            }
            return counts
          }
        }
        return try await group.reduce(into: [Int: Int]()) { $0.merge($1, uniquingKeysWith: +) }
      }
      #expect(counts.values.reduce(0, +) == 10_000)
      #expect(counts[400, default: 0] > 4000, "\(counts)")
      let answer = try await test.client.send("POST", Self.infer, body: json)
      #expect(answer.status == 200, "\(answer.text)")
    }
  }
}

/// Seeded damage to bytes.
private struct Damage {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x2545_F491_4F6C_DD1D &+ 1 }

  private mutating func next(_ limit: Int) -> Int {
    // SplitMix64.
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return Int((bits ^ (bits >> 31)) % UInt64(max(limit, 1)))
  }

  /// One to four changes: a byte changed, bytes removed, doubled or inserted, the end cut off.
  mutating func damaged(_ bytes: [UInt8], from start: Int = 0) -> [UInt8] {
    var bytes = bytes
    for _ in 0...next(4) where bytes.count > 4 {
      let place = next(bytes.count)
      switch next(6) {
      case 0: bytes[place] = UInt8(next(256))
      case 1: bytes[place] ^= 1 << UInt8(next(8))
      case 2: bytes.removeSubrange(place..<min(place + 1 + next(20), bytes.count))
      case 3: bytes.insert(contentsOf: bytes[place..<min(place + 1 + next(20), bytes.count)], at: place)
      case 4:
        let words = [
          "null", "-1", "1e999", "[", "]", "{", "}", "\"", "\u{0}", "9223372036854775808", "NaN", "\r\n",
        ]
        bytes.insert(contentsOf: Array(words[next(words.count)].utf8), at: place)
      default: bytes = Array(bytes[..<max(place, 1)])
      }
    }
    return bytes
  }

  func request(_ path: String, _ headers: [String: String], _ body: [UInt8]) -> [UInt8] {
    var head = "POST \(path) HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: \(body.count)\r\n"
    for (name, value) in headers { head += "\(name): \(value)\r\n" }
    return Array((head + "\r\n").utf8) + body
  }
}
#endif
