#if Serving
import RBNFormats
import RBNRuntime

/// A request for inference of the Open Inference Protocol: JSON, with the bytes of some tensors behind it.
///
/// Every number in it is checked before memory is asked for: a tensor never has more elements than the body has bytes.
struct InferRequest: Sendable {
  /// An output that is asked for.
  struct Output: Sendable {
    var name: String
    /// Whether its elements come as bytes behind the JSON.
    var isBinary: Bool
    /// The number of classes to give in place of the tensor; nil for the tensor.
    var classCount: Int?
  }

  var id: String?
  /// The tensors, by name.
  var inputs: [String: Tensor]
  /// Nil for all, in the model's order.
  var outputs: [Output]?
  /// Whether outputs are binary that don't say otherwise.
  var isBinaryByDefault: Bool
  /// The client's own limit of time.
  var timeout: Duration?

  /// Reads a body.
  ///
  /// - Parameter jsonByteCount: the length of the JSON part; nil for all of the body.
  /// - Throws: `ServingError`, and `RBNError`s of JSON and tensors, all of which are the client's fault.
  init(_ body: [UInt8], jsonByteCount: Int?, limits: ServerConfiguration.Limits) throws {
    let jsonEnd = jsonByteCount ?? body.count
    guard jsonEnd <= body.count else {
      throw ServingError.badRequest(
        "Inference-Header-Content-Length is \(jsonEnd), but the body has \(body.count) bytes")
    }
    guard jsonEnd <= limits.jsonBytes else {
      throw ServingError.tooLarge(
        "the JSON part has \(jsonEnd) bytes, \(limits.jsonBytes) are allowed: send large tensors in binary")
    }
    let value = try JSONValue.parse(
      jsonEnd == body.count ? body : Array(body[..<jsonEnd]), document: "request", depth: limits.jsonDepth)
    let root = JSONNode(value, document: "request")
    id = try root.optionalMember("id")?.string()
    let parameters = try Parameters(root)
    isBinaryByDefault = try parameters.bool("binary_data_output") ?? false
    timeout = try parameters.timeout()
    var binary = BinaryPart(body[jsonEnd...])
    let list = try root.member("inputs").elements()
    guard !list.isEmpty else { throw root.failure("inputs is empty") }
    inputs = [:]
    for node in list {
      let name = try node.member("name").string()
      guard inputs[name] == nil else {
        throw ServingError.badRequest("the input \(name.debugDescription) is given twice")
      }
      inputs[name] = try Self.tensor(node, &binary)
    }
    guard binary.isEmpty else {
      throw ServingError.badRequest(
        "\(binary.count) bytes follow that belong to no input: every binary input needs binary_data_size")
    }
    let isBinaryByDefault = isBinaryByDefault
    outputs = try root.optionalMember("outputs")?.list { node in
      let parameters = try Parameters(node)
      let classes = try parameters.int("classification")
      guard classes.map({ $0 > 0 }) ?? true else {
        throw node.failure("classification must be a positive number of classes")
      }
      return Output(
        name: try node.member("name").string(),
        isBinary: try parameters.bool("binary_data") ?? isBinaryByDefault, classCount: classes)
    }
    if let outputs, Set(outputs.map(\.name)).count != outputs.count {
      throw ServingError.badRequest("an output is asked for twice")
    }
  }

  /// The outputs to give, each with its place among the model's: those that are asked for, or all.
  ///
  /// - Throws: 400 for an output that the model has not.
  func outputs(of model: Model) throws -> [(output: Output, index: Int)] {
    let all = model.outputs
    let asked = outputs ?? all.map { Output(name: $0, isBinary: isBinaryByDefault, classCount: nil) }
    return try asked.map { output in
      guard let index = all.firstIndex(of: output.name) else {
        throw ServingError.badRequest(
          "the model has no output \(output.name.debugDescription): it gives \(all.joined(separator: ", "))")
      }
      return (output, index)
    }
  }

  private static func tensor(_ node: JSONNode, _ binary: inout BinaryPart) throws -> Tensor {
    let typeNode = try node.member("datatype")
    let typeName = try typeNode.string()
    guard let type = DataType(rawValue: typeName) else {
      throw typeNode.failure("\(typeName.debugDescription) is no datatype of the protocol")
    }
    guard let dtype = type.dtype else { throw typeNode.failure("networks take numbers, not \(typeName)") }
    let shapeNode = try node.member("shape")
    let shape = Shape(try shapeNode.list { try $0.int() })
    let byteCount: Int
    do {
      byteCount = try shape.byteCount(of: dtype)
    } catch let error as RBNError {
      throw shapeNode.failure(error.message)
    }
    if let size = try Parameters(node).int("binary_data_size") {
      guard try node.optionalMember("data") == nil else {
        throw node.failure("it has both data and binary_data_size")
      }
      guard size == byteCount else {
        throw node.failure(
          "binary_data_size is \(size), the shape \(shape) of \(typeName) needs \(byteCount)")
      }
      return try binary.take(shape, dtype, byteCount, node)
    }
    return try JSONTensor.tensor(try node.member("data"), shape: shape, dtype: dtype)
  }
}

/// The bytes behind the JSON part, of which each binary input takes its own.
private struct BinaryPart {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  var isEmpty: Bool { rest.isEmpty }
  var count: Int { rest.count }

  mutating func take(_ shape: Shape, _ dtype: DType, _ byteCount: Int, _ node: JSONNode) throws -> Tensor {
    guard byteCount <= rest.count else {
      throw node.failure("\(byteCount) bytes of it should follow the JSON, there are \(rest.count)")
    }
    let part = rest.prefix(byteCount)
    rest = rest.dropFirst(byteCount)
    return try Tensor(shape: shape, dtype: dtype) { bytes in
      part.withUnsafeBytes { if !$0.isEmpty { bytes.copyMemory(from: $0) } }
    }
  }
}

/// The `parameters` of a request, an input or an output: names with a string, a number or a boolean each.
private struct Parameters {
  private let node: JSONNode?

  init(_ owner: JSONNode) throws {
    node = try owner.optionalMember("parameters")
    // They must be an object, even when nothing in it is asked for.
    _ = try node?.members()
  }

  func bool(_ name: String) throws -> Bool? { try node?.optionalMember(name)?.bool() }

  func int(_ name: String) throws -> Int? { try node?.optionalMember(name)?.int() }

  /// `timeout`, in microseconds.
  func timeout() throws -> Duration? {
    guard let microseconds = try int("timeout") else { return nil }
    guard microseconds >= 0 else {
      throw ServingError.badRequest("timeout is negative: it is a number of microseconds")
    }
    // 0 means none, as in Triton.
    return microseconds == 0 ? nil : .microseconds(microseconds)
  }
}
#endif
