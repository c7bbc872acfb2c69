import RBNGraph
import RBNTensor

extension Conv2d: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    try CompiledConv2d(self, activation: nil, node)
  }
}

extension FusedConv2d: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    try CompiledConv2d(conv, activation: activation, node)
  }
}

/// A convolution with packed weights and its epilogue.
private struct CompiledConv2d: CompiledOperator {
  let packed: PackedConv2d
  let activation: Activation
  let kernel: String

  init(_ conv: Conv2d, activation: Unary.Function?, _ node: NodeContext) throws {
    guard let weight = try node.parameter(1, "weight"), weight.shape.rank == 4 else {
      throw RBNError(.malformedGraph, .model, "the convolution has no weight")
    }
    let (inChannels, overflow) = weight.shape[1].multipliedReportingOverflow(by: conv.groups)
    guard !overflow else { throw RBNError(.malformedGraph, .model, "the convolution has too many groups") }
    let parameters = Conv2dParameters(
      inChannels: inChannels, outChannels: weight.shape[0], kernel: .init(weight.shape[2], weight.shape[3]),
      stride: .init(conv.stride[0], conv.stride[1]), padding: .init(conv.padding[0], conv.padding[1]),
      paddingEnd: .init(conv.padding[2], conv.padding[3]),
      dilation: .init(conv.dilation[0], conv.dilation[1]),
      groups: conv.groups)
    let bias = try node.parameter(2, "bias").map { try $0.reshaped(to: [weight.shape[0]]) }
    packed = try PackedConv2d(weight: weight, bias: bias, parameters: parameters, table: node.kernels)
    self.activation = try activation.map { try node.activation($0) } ?? .identity
    kernel = packed.description
  }

  var consumedParameters: Set<Int> { [1, 2] }
  var packedByteCount: Int { packed.byteCount }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    let x = try input(inputs, 0).image
    return try packed.scratchByteCount(batch: x.batch, height: x.height, width: x.width, threads: threads)
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let source = try input(inputs, 0)
    let residual = inputs.count > 3 ? inputs[3] : nil
    let x = source.image
    try packed.run(
      input: context.pointer(source), batch: x.batch, height: x.height, width: x.width,
      output: context.pointer(output),
      epilogue: Conv2dEpilogue(
        activation: activation, residual: residual.map { UnsafePointer(context.pointer($0)) }),
      scratch: context.scratch, pool: context.pool)
  }
}

extension PackedConv2d: CustomStringConvertible {
  /// The tile in use: `conv2d avx512 6×64`.
  package var description: String {
    switch kind {
    case .panels(let tile, _): "conv2d \(tile.instructionSet) \(tile.pixels)×\(tile.channels)"
    case .depthwise: "depthwise conv2d"
    }
  }
}

extension NodeContext {
  /// The kernels' counterpart of a fused activation.
  func activation(_ function: Unary.Function) throws -> Activation {
    guard let activation = Activation(function) else {
      throw RBNError(.unsupportedOperator, .model, "\(Unary(function).name) can't be fused")
    }
    return activation
  }
}
