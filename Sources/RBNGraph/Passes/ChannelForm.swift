import RBNTensor

/// A value written as a per-channel polynomial of one base value x, its mean m over H and W, and one sigmoid s:
///
///     x·[x] + m·[m] + [one] + s·(x·[sx] + m·[sm] + [s]),   s = sigmoid(p·m + q)
///
/// where each bracket is a vector of C numbers. Sums, per-channel products and means over H and W of such values are such
/// values again, which is how RBN is recognised in whatever spelling it was written.
struct ChannelForm {
  var base: Graph.ValueID
  var x: [Double]
  var m: [Double]
  var one: [Double]
  var sx: [Double]
  var sm: [Double]
  var s: [Double]
  var sigmoid: Sigmoid?
  /// Whether the base is vectors (N, C), each number of which is its own mean, not images.
  let isVector: Bool

  struct Sigmoid {
    /// The value that holds s: two forms have the same s when they have the same id.
    var id: Graph.ValueID
    var p: [Double]
    var q: [Double]
  }

  /// The base itself.
  init(base: Graph.ValueID, channels: Int, isVector: Bool = false) {
    let zeros = [Double](repeating: 0, count: channels)
    self.base = base
    self.isVector = isVector
    x = [Double](repeating: 1, count: channels)
    (m, one, sx, sm, s) = (zeros, zeros, zeros, zeros, zeros)
  }

  /// s itself.
  init(base: Graph.ValueID, sigmoid: Sigmoid, isVector: Bool = false) {
    self.init(base: base, channels: sigmoid.p.count, isVector: isVector)
    x = m
    s = [Double](repeating: 1, count: sigmoid.p.count)
    self.sigmoid = sigmoid
  }

  var channels: Int { x.count }
  /// The numbers that it holds.
  var numberCount: Int { (sigmoid == nil ? 6 : 8) * channels }

  /// Whether it depends on the position in the image.
  var isSpatial: Bool { !x.isZero || !sx.isZero }
  var usesSigmoid: Bool { !(sx.isZero && sm.isZero && s.isZero) }
  var usesMean: Bool { usesSigmoid || !m.isZero }

  /// The mean over H and W.
  var mean: ChannelForm {
    var result = self
    result.m = zip(m, x).map { $0 + $1 }
    result.sm = zip(sm, sx).map { $0 + $1 }
    result.x = [Double](repeating: 0, count: channels)
    result.sx = result.x
    return result
  }

  func scaled(by factor: [Double]) -> ChannelForm {
    var result = self
    func scale(_ vector: inout [Double]) { vector = zip(vector, factor).map { $0 * $1 } }
    scale(&result.x)
    scale(&result.m)
    scale(&result.one)
    scale(&result.sx)
    scale(&result.sm)
    scale(&result.s)
    return result
  }

  func shifted(by offset: [Double]) -> ChannelForm {
    var result = self
    result.one = zip(one, offset).map { $0 + $1 }
    return result
  }

  /// The sum, or `nil` when the two have different sigmoids.
  func adding(_ other: ChannelForm) -> ChannelForm? {
    guard base == other.base, let sigmoid = Self.common(self, other) else { return nil }
    var result = self
    result.sigmoid = sigmoid.value
    result.x = zip(x, other.x).map { $0 + $1 }
    result.m = zip(m, other.m).map { $0 + $1 }
    result.one = zip(one, other.one).map { $0 + $1 }
    result.sx = zip(sx, other.sx).map { $0 + $1 }
    result.sm = zip(sm, other.sm).map { $0 + $1 }
    result.s = zip(s, other.s).map { $0 + $1 }
    return result
  }

  /// The product, or `nil` when it is not of this form.
  func multiplied(by other: ChannelForm) -> ChannelForm? {
    if let product = timesGate(other) { return product }
    return other.timesGate(self)
  }

  /// The product with a form that has neither x nor m, and s only where this one has none.
  private func timesGate(_ gate: ChannelForm) -> ChannelForm? {
    guard base == gate.base, gate.x.isZero, gate.m.isZero, gate.sx.isZero, gate.sm.isZero,
      !usesSigmoid || gate.s.isZero, let sigmoid = Self.common(self, gate)
    else { return nil }
    var result = scaled(by: gate.one)
    result.sigmoid = sigmoid.value
    if !gate.s.isZero {
      result.sx = zip(x, gate.s).map { $0 * $1 }
      result.sm = zip(m, gate.s).map { $0 * $1 }
      result.s = zip(one, gate.s).map { $0 * $1 }
    }
    return result
  }

  private struct Common { var value: Sigmoid? }

  /// The sigmoid that two forms share, or `nil` when they use different ones.
  private static func common(_ a: ChannelForm, _ b: ChannelForm) -> Common? {
    switch (a.usesSigmoid ? a.sigmoid : nil, b.usesSigmoid ? b.sigmoid : nil) {
    case (let left?, let right?): left.id == right.id ? Common(value: left) : nil
    case (let left?, nil): Common(value: left)
    case (nil, let right): Common(value: right)
    }
  }
}

extension [Double] {
  var isZero: Bool { allSatisfy { $0 == 0 } }
}

extension ChannelForm {
  /// The coefficients of ``InstanceAffine``, (8, C) float64.
  func coefficients() throws -> Tensor {
    let zeros = [Double](repeating: 0, count: channels)
    return try Tensor(shape: [InstanceAffine.Row.allCases.count, channels], dtype: .float64) { bytes in
      let out = bytes.bindMemory(to: Double.self)
      for row in InstanceAffine.Row.allCases {
        let vector =
          switch row {
          case .alpha: sx
          case .gamma: sm
          case .delta: s
          case .p: sigmoid?.p ?? zeros
          case .q: sigmoid?.q ?? zeros
          case .alpha0: x
          case .gamma0: m
          case .beta: one
          }
        for (channel, value) in vector.enumerated() { out[row.rawValue * channels + channel] = value }
      }
    }
  }
}
