import RBNTensor

/// softmax(query · keyᵀ · scale + mask) · value.
///
/// `aten::scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool
/// is_causal=False, *, float? scale=None, bool enable_gqa=False)` in eval mode. Inputs: query (…, L, E), key (…, S, E),
/// value (…, S, V), mask of floating-point numbers, broadcast to (…, L, S) and added, or absent; the importer makes one of a
/// boolean mask. Output (…, L, V).
package struct ScaledDotProductAttention: Operator {
  /// Hides key s from query l where s > l.
  package var isCausal: Bool
  /// `nil` for 1 / sqrt(E).
  package var scale: Double?

  package static let name = "aten.scaled_dot_product_attention.default"
  package var name: String { Self.name }

  package init(isCausal: Bool = false, scale: Double? = nil) {
    self.isCausal = isCausal
    self.scale = scale
  }

  package init(_ attributes: Attributes) throws {
    isCausal = try attributes.bool("is_causal", default: false)
    scale = try attributes.optionalDouble("scale")
  }

  package var attributes: Attributes {
    Attributes(["is_causal": .bool(isCausal), "scale": scale.map { .double($0) } ?? .none])
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let query = try required(inputs, 0, "query").shape
    let (key, value) = (try required(inputs, 1, "key").shape, try required(inputs, 2, "value").shape)
    let rank = query.rank
    guard rank >= 2, key.rank == rank, value.rank == rank, key[rank - 1] == query[rank - 1],
      key[rank - 2] == value[rank - 2],
      query.dimensions.dropLast(2) == key.dimensions.dropLast(2),
      key.dimensions.dropLast(2) == value.dimensions.dropLast(2)
    else {
      throw shapeMismatch("query, key and value have the shapes \(query), \(key) and \(value)")
    }
    if let mask = optional(inputs, 3) {
      guard mask.dtype.isFloatingPoint else { throw shapeMismatch("a mask of \(mask.dtype) can't be added") }
      let scores = Shape(query.dimensions.dropLast(1) + [key[rank - 2]])
      guard Binary.broadcast(mask.shape, scores) == scores else {
        throw shapeMismatch("a mask of shape \(mask.shape) does not fit scores of shape \(scores)")
      }
    }
    return [TensorType(Shape(query.dimensions.dropLast() + [value[rank - 1]]))]
  }
}
