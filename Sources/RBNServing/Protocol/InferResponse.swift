#if Serving
import NIOCore
import RBNFormats
import RBNRuntime

/// The answer to a request for inference: JSON, with the bytes of binary outputs behind it.
struct InferResponse: Sendable {
  /// The whole body.
  var body: ByteBuffer
  /// The length of the JSON part; nil when nothing follows it.
  var jsonByteCount: Int?

  /// - Parameters:
  ///   - id: the request's.
  ///   - outputs: what to give, with the places in `results`.
  ///   - results: the model's outputs.
  /// - Throws: 422 for numbers that JSON can't hold.
  init(
    id: String?, _ outputs: [(output: InferRequest.Output, index: Int)], _ loaded: LoadedModel,
    _ results: [Tensor]
  ) throws {
    var fields = [
      "\"model_name\":" + JSONValue.string(loaded.key.name).text(),
      "\"model_version\":" + JSONValue.string(loaded.key.version).text(),
    ]
    if let id { fields.append("\"id\":" + JSONValue.string(id).text()) }
    var binary = ByteBuffer()
    let texts = try outputs.map { output, index in
      try Self.text(output, results[index], labels: loaded.model.labels, &binary)
    }
    fields.append("\"outputs\":[" + texts.joined(separator: ",") + "]")
    body = ByteBuffer(string: "{" + fields.joined(separator: ",") + "}")
    jsonByteCount = outputs.contains(where: \.output.isBinary) ? body.readableBytes : nil
    body.writeBuffer(&binary)
  }

  /// An output's JSON; its bytes, where it is binary, are written behind those of the outputs before.
  private static func text(
    _ output: InferRequest.Output, _ tensor: Tensor, labels: [String]?, _ binary: inout ByteBuffer
  ) throws -> String {
    let start = binary.readableBytes
    var shape = tensor.shape
    var type = DataType(tensor.dtype)
    let data: String
    if let count = output.classCount {
      let classes = try ClassificationExtension(tensor, count: count, labels: labels)
      (shape, type) = (classes.shape, .bytes)
      if output.isBinary { classes.write(to: &binary) }
      data = output.isBinary ? "" : JSONValue.array(classes.texts.map { .string($0) }).text()
    } else {
      if output.isBinary { tensor.withUnsafeBytes { _ = binary.writeBytes($0) } }
      data = output.isBinary ? "" : try JSONTensor.text(tensor)
    }
    let head = JSONValue.object(
      JSONObject([
        ("name", .string(output.name)), ("datatype", .string(type.rawValue)),
        ("shape", .integers(shape.dimensions)),
      ])
    ).text().dropLast()
    let tail =
      output.isBinary
      ? "\"parameters\":{\"binary_data_size\":\(binary.readableBytes - start)}" : "\"data\":" + data
    return head + "," + tail + "}"
  }
}
#endif
