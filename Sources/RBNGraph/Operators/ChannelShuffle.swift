import RBNTensor

/// Interleaves groups of channels: output channel j · groups + i is input channel i · (C / groups) + j.
///
/// `aten::channel_shuffle(Tensor self, SymInt groups)`. Networks write it as a view, a transposition and another view, which
/// a pass recognises.
package struct ChannelShuffle: Operator {
  package var groups: Int

  package static let name = "aten.channel_shuffle.default"
  package var name: String { Self.name }

  package init(groups: Int) { self.groups = groups }
  package init(_ attributes: Attributes) throws {
    groups = try attributes.int("groups", in: AttributeRange.positive)
  }
  package var attributes: Attributes { Attributes(["groups": .int(groups)]) }

  package func inferTypes(_ inputs: [TensorType?]) throws -> [TensorType] {
    let x = try requiredImage(inputs)
    guard x.shape[1] % groups == 0 else {
      throw shapeMismatch("\(x.shape[1]) channels are not a multiple of \(groups) groups")
    }
    return [x]
  }
}
