#if Serving
import Foundation
import RBNRuntime
import Testing

@testable import RBNServing

@Suite struct ProtocolTests {
  private static let infer = "/v2/models/digits/infer"

  private static func numbers(_ answer: HTTPClient.Answer, _ index: Int = 0) -> [Float]? {
    guard let outputs = answer["outputs"] as? [[String: Any]], index < outputs.count,
      let data = outputs[index]["data"] as? [NSNumber]
    else { return nil }
    return data.map(\.floatValue)
  }

  @Test func healthAndMetadata() async throws {
    try await TestServer.run { test in
      for path in ["/v2", "/v2/"] {
        let server = try await test.client.get(path)
        #expect(server.status == 200)
        #expect(server["name"] as? String == "rbn-server")
        #expect(server["version"] as? String == RBNVersion.current)
        #expect((server["extensions"] as? [String])?.contains("binary_tensor_data") ?? false)
      }
      #expect(try await test.client.get("/v2/health/live").text == #"{"live":true}"#)
      #expect(try await test.client.get("/v2/health/ready/").text == #"{"ready":true}"#)
      for path in ["/v2/models/digits", "/v2/models/digits/versions/1", "/v2/models/d%69gits/"] {
        let model = try await test.client.get(path)
        #expect(model.status == 200)
        #expect(
          model.text
            == #"{"name":"digits","versions":["1"],"platform":"swift_rbn","inputs":[{"name":"x","datatype":"FP32","shape":[-1,1,-1,-1]}],"outputs":[{"name":"output","datatype":"FP32","shape":[-1,10]}]}"#
        )
      }
      #expect(try await test.client.get("/v2/models/digits/ready").text == #"{"name":"digits","ready":true}"#)
      let head = try await test.client.send("HEAD", "/v2")
      #expect(head.status == 200)
      #expect(head.body.isEmpty)
    }
  }

  @Test func whatIsNotThereIsSaidSo() async throws {
    try await TestServer.run { test in
      for path in [
        "/v1", "/v2/models", "/v2/models/", "/v2/models/nobody", "/v2/models/digits/versions/2",
        "/v2/models/digits/versions", "/v2/models/digits/nothing", "/v2/models/%ff", "/v2/models/%zz",
        "/v2/models/..%2fdigits", "/v2/health", "/v2//", "//", "/v2/models//ready",
      ] {
        let answer = try await test.client.get(path)
        #expect(answer.status == 404, "\(path)")
        #expect(answer.error != nil, "\(path)")
      }
      let get = try await test.client.get(Self.infer)
      #expect(get.status == 405)
      #expect(get.headers["allow"] == "POST")
      for method in ["POST", "DELETE", "OPTIONS", "TRACE"] {
        let answer = try await test.client.send(method, "/v2/health/live")
        #expect(answer.status == 405, "\(method)")
        #expect(answer.headers["allow"] == "GET, HEAD")
      }
    }
  }

  // MARK: Inference

  @Test func inferenceInJSONGivesTheBitsOfTheModel() async throws {
    let model = try Model(contentsOf: TestServer.digits)
    let tensor = try TestServer.digits(3)
    let expected = try await model.run(tensor)
    try await TestServer.run { test in
      let flat = try await test.client.post(
        Self.infer, json: ["id": "seven", "inputs": [InferJSON.input(tensor)]])
      #expect(flat.status == 200, "\(flat.text)")
      #expect(flat["id"] as? String == "seven")
      #expect(flat["model_name"] as? String == "digits")
      #expect(flat["model_version"] as? String == "1")
      #expect(Self.numbers(flat) == expected.floats)
      #expect(((flat["outputs"] as? [[String: Any]])?.first?["shape"] as? [Int]) == [3, 10])
      // Nested as the shape is.
      let values = tensor.floats.map { Double($0) }
      let nested = (0..<3).map { image in
        [(0..<8).map { row in Array(values[(image * 64 + row * 8)..<(image * 64 + row * 8 + 8)]) }]
      }
      var input = InferJSON.input(tensor)
      input["data"] = nested
      let answer = try await test.client.post(
        "/v2/models/digits/versions/1/infer", json: ["inputs": [input], "outputs": [["name": "output"]]])
      #expect(answer.status == 200, "\(answer.text)")
      #expect(Self.numbers(answer) == expected.floats)
    }
  }

  @Test func inferenceInBinaryGivesTheBitsOfTheModel() async throws {
    let model = try Model(contentsOf: TestServer.digits)
    let tensor = try TestServer.digits(2)
    let expected = try await model.run(tensor)
    try await TestServer.run { test in
      // Bytes in, JSON out.
      let request = try InferJSON.binary(tensor)
      let mixed = try await test.client.send("POST", Self.infer, request.headers, body: request.body)
      #expect(mixed.status == 200, "\(mixed.text)")
      #expect(mixed.headers["content-type"] == "application/json")
      #expect(Self.numbers(mixed) == expected.floats)
      // Bytes out, as a default and as asked for.
      let bytes = expected.withUnsafeBytes { Array($0) }
      let requests = [
        try InferJSON.binary(tensor, parameters: ["binary_data_output": true]),
        try InferJSON.binary(tensor, outputs: [["name": "output", "parameters": ["binary_data": true]]]),
      ]
      for request in requests {
        let answer = try await test.client.send("POST", Self.infer, request.headers, body: request.body)
        #expect(answer.status == 200, "\(answer.text)")
        let length = try #require(answer.headers["inference-header-content-length"].flatMap { Int($0) })
        #expect(answer.headers["content-type"] == "application/octet-stream")
        let object =
          try JSONSerialization.jsonObject(with: Data(answer.body[..<length])) as? [String: Any] ?? [:]
        let output = try #require((object["outputs"] as? [[String: Any]])?.first)
        #expect((output["parameters"] as? [String: Int]) == ["binary_data_size": 80])
        #expect(output["data"] == nil)
        #expect(Array(answer.body[length...]) == bytes)
      }
      // JSON in, bytes out.
      let answer = try await test.client.post(
        Self.infer,
        json: ["inputs": [InferJSON.input(tensor)], "parameters": ["binary_data_output": true]])
      #expect(answer.body.suffix(80).elementsEqual(bytes))
    }
  }

  @Test(arguments: [(DType.float64, "FP64"), (.float16, "FP16"), (.bfloat16, "BF16")])
  func otherFloatingPointTypesAreConverted(dtype: DType, name: String) async throws {
    let model = try Model(contentsOf: TestServer.digits)
    let tensor = try TestServer.digits(1).converted(to: dtype)
    let expected = try await model.run(tensor).floats
    try await TestServer.run { test in
      let request = try InferJSON.binary(tensor, type: name)
      let binary = try await test.client.send("POST", Self.infer, request.headers, body: request.body)
      #expect(Self.numbers(binary) == expected, "\(binary.text)")
      let json = try await test.client.post(
        Self.infer, json: ["inputs": [InferJSON.input(tensor, type: name)]])
      #expect(Self.numbers(json) == expected, "\(json.text)")
    }
  }

  @Test func integersAndBooleansGoInAndComeOut() throws {
    let json = """
      {"inputs":[
        {"name":"x","datatype":"INT64","shape":[2,3],"data":[[-7,0,5],[-1,8388608,0]]},
        {"name":"flag","datatype":"BOOL","shape":[4],"data":[false,true,0,1]},
        {"name":"y","datatype":"UINT16","shape":[2],"parameters":{"binary_data_size":4}}]}
      """
    let request = try InferRequest(
      Array(json.utf8) + [1, 0, 255, 255], jsonByteCount: json.utf8.count, limits: .init())
    let x = try #require(request.inputs["x"])
    #expect(x.dtype == .int64 && x.shape == [2, 3])
    #expect(x.doubles == [-7, 0, 5, -1, 8_388_608, 0])
    let flag = try #require(request.inputs["flag"])
    #expect(flag.dtype == .bool && flag.doubles == [0, 1, 0, 1])
    let y = try #require(request.inputs["y"])
    #expect(y.dtype == .uint16 && y.doubles == [1, 65535])
    #expect(try JSONTensor.text(x) == "[-7,0,5,-1,8388608,0]")
    #expect(try JSONTensor.text(flag) == "[false,true,false,true]")
    #expect(try JSONTensor.text(y) == "[1,65535]")
  }

  @Test func theClassificationExtensionGivesClassesOfEachRow() async throws {
    let model = try Model(contentsOf: TestServer.digits)
    let tensor = try TestServer.digits(2)
    let logits = try await model.run(tensor).floats
    let labels = try #require(model.labels)
    let expected = (0..<2).flatMap { row -> [String] in
      let values = logits[(row * 10)..<(row * 10 + 10)]
      return values.indices.sorted { values[$0] > values[$1] }.prefix(3).map {
        "\(values[$0]):\($0 - row * 10):\(labels[$0 - row * 10])"
      }
    }
    try await TestServer.run { test in
      let outputs: [[String: Any]] = [["name": "output", "parameters": ["classification": 3]]]
      let answer = try await test.client.post(
        Self.infer, json: ["inputs": [InferJSON.input(tensor)], "outputs": outputs])
      let output = try #require((answer["outputs"] as? [[String: Any]])?.first, "\(answer.text)")
      #expect(output["datatype"] as? String == "BYTES")
      #expect(output["shape"] as? [Int] == [2, 3])
      #expect(output["data"] as? [String] == expected)
      let binary = try await test.client.post(
        Self.infer,
        json: [
          "inputs": [InferJSON.input(tensor)], "outputs": outputs,
          "parameters": ["binary_data_output": true],
        ])
      let length = try #require(binary.headers["inference-header-content-length"].flatMap { Int($0) })
      var rest = binary.body[length...]
      var texts: [String] = []
      while rest.count >= 4 {
        let count = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        texts.append(String(decoding: rest.dropFirst(4).prefix(count), as: UTF8.self))
        rest = rest.dropFirst(4 + count)
      }
      #expect(texts == expected)
    }
  }

  @Test func requestsAtTheSameTimeRideTogetherAndGetTheirOwn() async throws {
    let model = try Model(contentsOf: TestServer.digits)
    let images = try TestServer.digits(40)
    let expected = try await model.run(images).floats
    try await TestServer.run { test in
      try await withThrowingTaskGroup(of: (Int, [Float]?).self) { group in
        for row in 0..<40 {
          let image = try Tensor(
            shape: [1, 1, 8, 8], scalars: Array(images.floats[(row * 64)..<(row * 64 + 64)]))
          group.addTask {
            let answer = try await test.client.post(
              Self.infer, json: ["inputs": [InferJSON.input(image)]])
            return (row, Self.numbers(answer))
          }
        }
        for try await (row, values) in group {
          #expect(values == Array(expected[(row * 10)..<(row * 10 + 10)]), "row \(row)")
        }
      }
    }
  }

  // MARK: Images

  @Test func aPhotographIsClassifiedAsTheLibraryDoes() async throws {
    let path = TestServer.fixture("efficientnet-lite0/efficientnet-lite0.rbn")
    let photo = TestServer.fixture("photos/chelsea.jpg")
    let expected = try await ImageClassifier(model: try Model(contentsOf: path)).classify(
      imageAt: photo, topK: 3)
    try await TestServer.run(["net.rbn": path, "basic.pt2": TestServer.fixture("blocks/basic.pt2")]) { test in
      let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: photo)))
      let answer = try await test.client.send(
        "POST", "/v2/models/net/classify?top_k=3", ["Content-Type": "image/jpeg"], body: bytes)
      #expect(answer.status == 200, "\(answer.text)")
      let predictions = try #require(answer["predictions"] as? [[String: Any]])
      #expect(predictions.map { $0["label"] as? String } == expected.map(\.identifier))
      #expect(predictions.map { $0["index"] as? Int } == expected.map(\.index))
      #expect(predictions.map { ($0["probability"] as? NSNumber)?.floatValue } == expected.map(\.confidence))
      #expect(predictions.map { ($0["logit"] as? NSNumber)?.floatValue } == expected.map(\.logit))
      let all = try await test.client.send("POST", "/v2/models/net/classify", body: bytes)
      #expect((all["predictions"] as? [Any])?.count == 5)
      // What can't be classified.
      for (path, body) in [
        ("net", []), ("net", Array("GIF89a".utf8)), ("net", Array(bytes.prefix(400))), ("basic", bytes),
      ] {
        let answer = try await test.client.send("POST", "/v2/models/\(path)/classify", body: body)
        #expect(answer.status == 400, "\(answer.text)")
        #expect(answer.error != nil)
      }
      for count in ["0", "-1", "x", "", "1000001", "99999999999999999999"] {
        let query = "top_k=\(count)"
        let answer = try await test.client.send("POST", "/v2/models/net/classify?\(query)", body: bytes)
        #expect(answer.status == 400, "\(query)")
      }
    }
  }

  @Test func thePageAndTheDescriptionAreThere() async throws {
    try await TestServer.run { test in
      let page = try await test.client.get("/")
      #expect(page.status == 200)
      #expect(page.text.contains("<!doctype html>"))
      #expect(page.headers["content-security-policy"]?.contains("default-src 'none'") ?? false)
      for (path, type) in [("/page.js", "text/javascript"), ("/page.css", "text/css")] {
        let answer = try await test.client.get(path)
        #expect(answer.status == 200)
        #expect(answer.headers["content-type"]?.hasPrefix(type) ?? false)
      }
      let document = try await test.client.get("/openapi.json")
      let paths = try #require(document["paths"] as? [String: [String: Any]])
      #expect((document["info"] as? [String: Any])?["version"] as? String == RBNVersion.current)
      // Every path that is described is a route, with the method that is described.
      for (path, item) in paths {
        let concrete = path.replacing("{model}", with: "m").replacing("{version}", with: "1")
        let route = try #require(Route(path: concrete), "\(path)")
        #expect(item[route.method.rawValue.lowercased()] != nil, "\(path)")
      }
    }
  }
}
#endif
