import RBNFormats
import RBNTensor

/// The type of a value: what shape inference computes.
package struct TensorType: Hashable, Sendable, CustomStringConvertible {
  package var shape: Shape
  package var dtype: DType

  package init(_ shape: Shape, _ dtype: DType = .float32) {
    self.shape = shape
    self.dtype = dtype
  }

  package var description: String { "\(dtype) \(shape)" }
}

/// One operation of a graph. Conforming types live in `Operators/`, one file each, and are values:
/// attributes validated once, at initialisation.
package protocol Operator: Sendable {
  /// The stable name, used in bundles and printed: the ATen overload, `aten.conv2d.default`.
  var name: String { get }

  /// All attributes, under their names in the ATen schema.
  var attributes: Attributes { get }

  /// The types of the outputs.
  ///
  /// - Throws: `graph.shape-mismatch` when the operation does not accept these inputs.
  func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType]
}

extension RBNError.Code {
  /// An attribute of an op is missing, of the wrong kind, or out of range.
  package static let invalidAttribute = Self("graph.invalid-attribute")
  /// The input shapes are not those that an op accepts.
  package static let shapeMismatch = Self("graph.shape-mismatch")
  /// An op that this runtime does not know.
  package static let unsupportedOperator = Self("graph.unsupported-operator")
  /// A graph that is not well formed: undefined values, wrong number of inputs.
  package static let malformedGraph = Self("graph.malformed")
}

extension Operator {
  package func shapeMismatch(_ message: String) -> RBNError {
    RBNError(.shapeMismatch, .input, location: name, message)
  }

  /// The type of a required input.
  package func required(_ inputs: [TensorType?], _ index: Int, _ label: String) throws -> TensorType {
    guard index < inputs.count, let type = inputs[index] else {
      throw RBNError(.malformedGraph, .model, location: name, "its input \(index) (\(label)) is missing")
    }
    return type
  }

  /// The type of an input that may be absent.
  package func optional(_ inputs: [TensorType?], _ index: Int) -> TensorType? {
    index < inputs.count ? inputs[index] : nil
  }

  /// A required input of shape (N, C, H, W).
  package func requiredImage(_ inputs: [TensorType?], _ index: Int = 0) throws -> TensorType {
    let type = try required(inputs, index, "input")
    guard type.shape.rank == 4 else {
      throw shapeMismatch("needs an input of shape (N, C, H, W), got \(type.shape)")
    }
    return type
  }

  /// Checks that an optional per-channel parameter has `channels` elements: (C), or (1, C, 1, 1).
  package func checkPerChannel(_ inputs: [TensorType?], _ index: Int, _ label: String, channels: Int) throws {
    guard let type = optional(inputs, index) else { return }
    let isVector = type.shape.dimensions == [channels]
    guard isVector || type.shape.dimensions == [1, channels, 1, 1] else {
      throw shapeMismatch("\(label) has shape \(type.shape), but the input has \(channels) channels")
    }
  }
}

extension Graph {
  /// The example's shapes with the free sizes of one axis changed, alike in all inputs; `nil` where none is free.
  private func exampleShapes(varying axis: Int) -> [Shape]? {
    let varied = inputs.map { input in
      var shape = input.exampleShape
      guard axis < shape.rank, input.shape[axis] == nil else { return shape }
      shape.dimensions[axis] = min(shape[axis], 1 << 30) * 2 + 2
      return shape
    }
    return varied == inputs.map(\.exampleShape) ? nil : varied
  }

  /// The types of every value at the example's sizes, and with the free sizes of each axis changed, as far as the network
  /// accepts those.
  ///
  /// - Throws: as ``inferTypes(inputShapes:)`` at the example's sizes.
  package func typesAtSeveralSizes() throws -> [[TensorType?]] {
    let axes = 0..<(inputs.map(\.shape.count).max() ?? 0)
    return try [inferTypes(inputShapes: inputs.map(\.exampleShape))]
      + axes.compactMap { exampleShapes(varying: $0) }.compactMap { try? inferTypes(inputShapes: $0) }
  }

  /// The type of every value for the given input shapes; `nil` for values that nothing makes.
  ///
  /// - Throws: an error located at the module path and op that refuses its inputs.
  package func inferTypes(inputShapes: [Shape]) throws -> [TensorType?] {
    var types = [TensorType?](repeating: nil, count: values.count)
    guard inputShapes.count == inputs.count else {
      throw RBNError(
        .shapeMismatch, .input, "the network has \(inputs.count) inputs, \(inputShapes.count) were given")
    }
    for (input, shape) in zip(inputs, inputShapes) {
      try input.check(shape)
      types[input.value.index] = TensorType(shape, input.dtype)
    }
    for index in values.indices {
      if let type = parameterType(of: ValueID(index: index)) {
        // Computation is in float32 whatever precision a parameter is stored in.
        types[index] = TensorType(type.shape, type.dtype.isFloatingPoint ? .float32 : type.dtype)
      }
    }
    for node in nodes {
      let known = try node.inputs.map { input -> TensorType? in
        guard let input else { return nil }
        guard let type = types[input.index] else {
          throw RBNError(
            .malformedGraph, .model, location: node.place,
            "reads \(values[input.index].name), which nothing before it makes")
        }
        return type
      }
      do {
        let outputs = try node.op.inferTypes(known)
        guard outputs.count == node.outputs.count else {
          throw RBNError(
            .malformedGraph, .model,
            "\(node.op.name) has \(outputs.count) outputs, the graph names \(node.outputs.count)")
        }
        for (output, type) in zip(node.outputs, outputs) {
          guard type.shape.rank <= StridedTensor.maximumRank else {
            throw node.op.shapeMismatch(
              "gives a tensor of \(type.shape.rank) dimensions, over the limit of \(StridedTensor.maximumRank)"
            )
          }
          _ = try type.shape.byteCount(of: type.dtype)
          types[output.index] = type
        }
      } catch var error as RBNError {
        error.location = node.place
        throw error
      }
    }
    return types
  }
}

extension Graph.Node {
  /// The name of the node in messages: `layer1.0.conv1 (aten.conv2d.default)`.
  package var place: String {
    module.path.isEmpty ? "\(name) (\(op.name))" : "\(module) (\(op.name))"
  }
}

extension Graph.Input {
  /// Checks a shape against the declared one.
  ///
  /// - Throws: `graph.shape-mismatch`.
  package func check(_ given: Shape) throws {
    let fits =
      given.rank == shape.count && zip(given, shape).allSatisfy { $1 == nil || $0 == $1 }
      && given.allSatisfy { $0 > 0 }
    guard fits else {
      let declared = "(" + shape.map { $0.map(String.init) ?? "any" }.joined(separator: ", ") + ")"
      let isFixedSize =
        given.rank == shape.count
        && given.indices.contains { $0 != 1 && shape[$0] != nil && given[$0] != shape[$0] }
      throw RBNError(
        .shapeMismatch, .input, location: "input \(name)",
        "the network takes the shape \(declared), got \(given)",
        advice: isFixedSize
          ? "the model fixes these sizes: to change them, export it with dynamic shapes (dynamic_shapes=…)"
          : nil)
    }
  }

  /// Checks a dtype: any of floating point where the input is, else any of integers and bool.
  ///
  /// - Throws: `tensor.unsupported-dtype`.
  package func check(_ given: DType) throws {
    guard given.isFloatingPoint == dtype.isFloatingPoint else {
      throw RBNError(
        .unsupportedDType, .input, location: "input \(name)",
        "the network takes \(dtype.isFloatingPoint ? "floating-point" : "\(dtype)") tensors, got \(given)")
    }
  }
}
