import RBNTensor

/// Activation(a(n,c) · x + d(n,c) + residual), with a and d functions of the mean m(n,c) of x over H and W:
///
///     s = sigmoid(p · m + q)
///     a = α · s + α₀
///     d = s · (γ · m + δ) + γ₀ · m + β
///
/// Every chain of per-channel arithmetic, means over H and W and at most one sigmoid of such a mean has this form;
/// RBN is p = scale_weight (1 + center_weight) / σ, q = scale_bias − scale_weight · μ / σ, α = weight / σ,
/// γ = weight · center_weight / σ, δ = −weight · μ / σ, β = bias, α₀ = γ₀ = 0. Never written to bundles.
///
/// Inputs: x (N, C, H, W), coefficients (8, C) float64 with rows in the order of ``Row``, residual of x's shape or absent.
package struct InstanceAffine: Operator {
  /// The rows of the coefficients.
  package enum Row: Int, CaseIterable, Sendable {
    case alpha, gamma, delta, p, q, alpha0, gamma0, beta
  }

  /// Whether s is used; without it a and d are α₀ and γ₀ · m + β.
  package var hasSigmoid: Bool
  /// Whether m is used; without it this is a plain per-channel affine map.
  package var hasMean: Bool
  /// Applied last; `nil` for none.
  package var activation: Unary.Function?

  package static let name = "fused.instance_affine"
  package var name: String { Self.name }

  package init(hasSigmoid: Bool, hasMean: Bool, activation: Unary.Function? = nil) {
    self.hasSigmoid = hasSigmoid
    self.hasMean = hasMean
    self.activation = activation
  }

  package var attributes: Attributes {
    var attributes = Attributes(["has_sigmoid": .bool(hasSigmoid), "has_mean": .bool(hasMean)])
    if let activation {
      attributes.set("activation", .string(Unary(activation).name))
      for entry in Unary(activation).attributes.entries { attributes.set(entry.name, entry.value) }
    }
    return attributes
  }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try requiredImage(inputs)
    let coefficients = try required(inputs, 1, "coefficients").shape
    guard coefficients.dimensions == [Row.allCases.count, x.shape[1]] else {
      throw shapeMismatch("the coefficients have shape \(coefficients), the input \(x.shape)")
    }
    if let residual = optional(inputs, 2), residual != x {
      throw shapeMismatch("the residual has shape \(residual.shape), the input \(x.shape)")
    }
    return [x]
  }
}
