#if Serving
import NIOCore
import RBNRuntime

/// Triton's classification extension: in place of a tensor of scores, the largest of each row as `score:index:label`.
struct ClassificationExtension {
  /// (N, count), or (count) for a tensor of one dimension.
  let shape: Shape
  /// Row after row, the largest score first.
  let texts: [String]

  /// - Parameters:
  ///   - scores: shape (N, classes, …), or (classes).
  ///   - labels: by index; used when there is one for each class.
  /// - Throws: 422 for scores that are not finite, 400 for a tensor without classes.
  init(_ scores: Tensor, count: Int, labels: [String]?) throws {
    let rows = scores.shape.rank > 1 ? scores.shape[0] : 1
    guard rows > 0, scores.count > 0 else {
      throw ServingError.badRequest("the output of shape \(scores.shape) has no classes")
    }
    let classes = scores.count / rows
    let count = min(count, classes)
    let values = scores.floats
    guard values.allSatisfy(\.isFinite) else {
      throw ServingError(.unprocessableContent, "the result has values that are not finite")
    }
    shape = scores.shape.rank > 1 ? [rows, count] : [count]
    texts = (0..<rows).flatMap { row -> [String] in
      let row = values[(row * classes)..<((row + 1) * classes)]
      let order = row.indices.sorted { row[$0] != row[$1] ? row[$0] > row[$1] : $0 < $1 }
      return order.prefix(count).map { position in
        let index = position - row.startIndex
        let label = labels.flatMap { $0.count == classes ? ":" + $0[index] : nil } ?? ""
        return "\(row[position]):\(index)\(label)"
      }
    }
  }

  /// Writes the texts as elements of BYTES: each its length in 4 bytes, little-endian, and its UTF-8.
  func write(to buffer: inout ByteBuffer) {
    for text in texts {
      buffer.writeInteger(UInt32(truncatingIfNeeded: text.utf8.count), endianness: .little)
      buffer.writeString(text)
    }
  }
}
#endif
