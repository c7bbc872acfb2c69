import RBNTensor

/// Every operator that graphs are written with, by stable name. A new operator is one file and one entry here.
package enum OperatorTable {
  package typealias Maker = @Sendable (Attributes) throws -> any Operator

  private static let makers: [String: Maker] = {
    var makers: [String: Maker] = [
      Conv2d.name: { try Conv2d($0) },
      BatchNorm.name: { try BatchNorm($0) },
      RepresentativeBatchNorm.name: { try RepresentativeBatchNorm($0) },
      MaxPool2d.name: { try MaxPool2d($0) },
      AvgPool2d.name: { try AvgPool2d($0) },
      AdaptiveAvgPool2d.name: { try AdaptiveAvgPool2d($0) },
      Linear.name: { try Linear($0) },
      Reshape.name: { try Reshape($0) },
      Flatten.name: { try Flatten($0) },
      Permute.name: { try Permute($0) },
      Concat.name: { try Concat($0) },
      Slice.name: { try Slice($0) },
      Pad.name: { try Pad($0) },
      Softmax.name: { try Softmax($0) },
      Expand.name: { try Expand($0) },
      Identity.name: { try Identity($0) },
      AdaptiveMaxPool2d.name: { try AdaptiveMaxPool2d($0) },
      Cast.name: { try Cast($0) },
      ChannelShuffle.name: { try ChannelShuffle($0) },
      ConvTranspose2d.name: { try ConvTranspose2d($0) },
      Cumsum.name: { try Cumsum($0) },
      Flip.name: { try Flip($0) },
      GroupNorm.name: { try GroupNorm($0) },
      IndexSelect.name: { try IndexSelect($0) },
      LayerNorm.name: { try LayerNorm($0) },
      LogSoftmax.name: { try LogSoftmax($0) },
      MatMul.name: { try MatMul($0) },
      Roll.name: { try Roll($0) },
      ScaledDotProductAttention.name: { try ScaledDotProductAttention($0) },
      TopK.name: { try TopK($0) },
      Where.name: { try Where($0) },
    ]
    for function in Reduction.Function.all {
      makers[function.name] = { try Reduction(function, $0) }
    }
    for function in ArgReduction.Function.allCases {
      makers[function.name] = { try ArgReduction(function, $0) }
    }
    for mode in Upsample2d.Mode.allCases { makers[mode.name] = { try Upsample2d(mode, $0) } }
    for name in Unary.names { makers[name] = { try Unary(name: name, $0) } }
    for name in Binary.names { makers[name] = { try Binary(name: name, $0) } }
    return makers
  }()

  /// Every name, sorted.
  package static var names: [String] { makers.keys.sorted() }

  /// Makes the operator `name`.
  ///
  /// - Throws: `graph.unsupported-operator`, `graph.invalid-attribute`.
  package static func make(_ name: String, _ attributes: Attributes) throws -> any Operator {
    guard let maker = makers[name] else {
      throw RBNError(.unsupportedOperator, .model, location: name, "this operator is not known here")
    }
    do {
      return try maker(attributes)
    } catch let error as RBNError {
      throw error.at(name)
    }
  }
}
