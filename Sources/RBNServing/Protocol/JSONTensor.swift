#if Serving
import RBNFormats
import RBNRuntime

/// The elements of tensors as JSON: a flat array in row-major order, or arrays nested as the shape is.
enum JSONTensor {
  /// - Throws: when elements are missing or too many, are nested in another way, or are not of the dtype.
  static func tensor(_ node: JSONNode, shape: Shape, dtype: DType) throws -> Tensor {
    guard case .array(let elements) = node.value else { throw node.expected("an array") }
    let count = try shape.elementCount()
    var numbers: [Double] = []
    // Not more than can be there, whatever the shape says.
    numbers.reserveCapacity(min(count, 1 << 20))
    if shape.rank > 1, case .array = elements.first {
      try append(node, shape.dimensions[...], dtype, to: &numbers)
    } else {
      guard elements.count == count else {
        throw node.failure("it has \(elements.count) elements, the shape \(shape) needs \(count)")
      }
      try append(elements, of: node, dtype, to: &numbers)
    }
    let tensor = try Tensor(shape: shape, dtype: .float64) { bytes in
      numbers.withUnsafeBytes { bytes.copyMemory(from: $0) }
    }
    return try tensor.converted(to: dtype)
  }

  private static func append(
    _ node: JSONNode, _ shape: ArraySlice<Int>, _ dtype: DType, to numbers: inout [Double]
  ) throws {
    guard let count = shape.first, case .array(let elements) = node.value else {
      throw node.expected("an array")
    }
    guard elements.count == count else {
      throw node.failure("it has \(elements.count) elements where the shape has \(count)")
    }
    if shape.count == 1 {
      try append(elements, of: node, dtype, to: &numbers)
    } else {
      for element in try node.elements() { try append(element, shape.dropFirst(), dtype, to: &numbers) }
    }
  }

  private static func append(
    _ elements: [JSONValue], of node: JSONNode, _ dtype: DType, to numbers: inout [Double]
  ) throws {
    for element in elements {
      switch element {
      case .int(let number) where dtype != .bool || number == 0 || number == 1:
        guard let exact = Double(exactly: number) ?? (dtype.isFloatingPoint ? Double(number) : nil) else {
          throw node.failure("it has the integer \(number), which is beyond what is computed exactly")
        }
        numbers.append(exact)
      case .double(let number) where dtype.isFloatingPoint: numbers.append(number)
      case .bool(let value) where dtype == .bool: numbers.append(value ? 1 : 0)
      default: throw node.failure("it has an element that is no \(dtype)")
      }
    }
  }

  /// The elements as the text of a flat array: floating-point numbers with the fewest digits that give the same float32.
  ///
  /// - Throws: 422 for elements that are not finite, which JSON can't hold.
  static func text(_ tensor: Tensor) throws -> String {
    guard tensor.dtype.isFloatingPoint else {
      let texts = tensor.doubles.map { tensor.dtype == .bool ? "\($0 != 0)" : "\(Int128($0))" }
      return "[" + texts.joined(separator: ",") + "]"
    }
    var text = "["
    var isFirst = true
    for number in tensor.floats {
      guard number.isFinite else {
        throw ServingError(
          .unprocessableContent,
          "the result has values that are not finite, which JSON can't hold: ask for binary outputs")
      }
      if !isFirst { text += "," }
      isFirst = false
      text += number.description
    }
    return text + "]"
  }
}
#endif
