#if Serving
import RBNFormats
import RBNRuntime

/// The answer to a request for inference: JSON, with the bytes of binary outputs behind it.
struct InferResponse: Sendable {
  /// The whole body.
  var body: [UInt8]
  /// The length of the JSON part; nil when nothing follows it.
  var jsonByteCount: Int?

  /// - Parameter results: the model's outputs, by name.
  /// - Throws: 400 for an output that the model has not; 422 for numbers that JSON can't hold.
  init(_ request: InferRequest, _ loaded: LoadedModel, _ results: [String: Tensor]) throws {
    var fields = [
      "\"model_name\":" + JSONValue.string(loaded.key.name).text(),
      "\"model_version\":" + JSONValue.string(loaded.key.version).text(),
    ]
    if let id = request.id { fields.append("\"id\":" + JSONValue.string(id).text()) }
    let asked =
      request.outputs
      ?? loaded.model.outputs.map {
        InferRequest.Output(name: $0, isBinary: request.isBinaryByDefault, classCount: nil)
      }
    var binary: [UInt8] = []
    var isAnyBinary = false
    var outputs: [String] = []
    for output in asked {
      guard let tensor = results[output.name] else {
        throw ServingError.badRequest(
          "the model has no output \(output.name.debugDescription): it gives \(loaded.model.outputs.joined(separator: ", "))"
        )
      }
      let before = binary.count
      outputs.append(try Self.output(output, tensor, loaded, &binary, before))
      isAnyBinary = isAnyBinary || output.isBinary
    }
    fields.append("\"outputs\":[" + outputs.joined(separator: ",") + "]")
    body = Array(("{" + fields.joined(separator: ",") + "}").utf8)
    jsonByteCount = isAnyBinary ? body.count : nil
    body += binary
  }

  private static func output(
    _ output: InferRequest.Output, _ tensor: Tensor, _ loaded: LoadedModel, _ binary: inout [UInt8],
    _ start: Int
  ) throws -> String {
    var shape = tensor.shape
    var type = DataType(tensor.dtype)
    let data: String
    if let count = output.classCount {
      let classes = try ClassificationExtension(tensor, count: count, labels: loaded.model.labels)
      (shape, type) = (classes.shape, .bytes)
      if output.isBinary { classes.append(to: &binary) }
      data = output.isBinary ? "" : JSONValue.array(classes.texts.map { .string($0) }).text()
    } else {
      if output.isBinary { tensor.withUnsafeBytes { binary.append(contentsOf: $0) } }
      data = output.isBinary ? "" : try JSONTensor.text(tensor)
    }
    let head = JSONValue.object(
      JSONObject([
        ("name", .string(output.name)), ("datatype", .string(type.rawValue)),
        ("shape", .integers(shape.dimensions)),
      ])
    ).text().dropLast()
    let tail =
      output.isBinary ? "\"parameters\":{\"binary_data_size\":\(binary.count - start)}" : "\"data\":" + data
    return head + "," + tail + "}"
  }
}
#endif
