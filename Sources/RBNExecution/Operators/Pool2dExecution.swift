import RBNGraph
import RBNTensor

extension MaxPool2d: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    let window = window
    return CompiledPooling(kernel: "max pool \(node.kernels.maxPool.instructionSet)", table: node.kernels) {
      $0.max($1, $2, $3, window)
    }
  }
}

extension AvgPool2d: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    let op = self
    return CompiledPooling(
      kernel: "average pool \(node.kernels.meanPool.instructionSet)", table: node.kernels
    ) {
      $0.average(
        $1, $2, $3, op.window, countIncludePad: op.countIncludePad, divisorOverride: op.divisorOverride)
    }
  }
}

extension AdaptiveAvgPool2d: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    if outputSize == [1, 1] { return GlobalAveragePool(table: node.kernels) }
    return CompiledPooling(
      kernel: "average pool \(node.kernels.meanPool.instructionSet)", table: node.kernels
    ) {
      $0.adaptiveAverage($1, $2, $3)
    }
  }
}

extension AdaptiveMaxPool2d: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledPooling(kernel: "max pool \(node.kernels.maxPool.instructionSet)", table: node.kernels) {
      $0.adaptiveMax($1, $2, $3)
    }
  }
}

private struct CompiledPooling: CompiledOperator {
  let kernel: String
  let table: KernelTable
  let body: @Sendable (Pooling, UnsafePointer<Float>, UnsafeMutablePointer<Float>, Pooling.Sizes) -> Void

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let source = try input(inputs, 0)
    let x = source.image
    let sizes = Pooling.Sizes(
      batch: x.batch, channels: x.channels, height: x.height, width: x.width,
      outputHeight: output.image.height,
      outputWidth: output.image.width)
    body(Pooling(table: table, pool: context.pool), context.pointer(source), context.pointer(output), sizes)
  }
}

/// The mean over H and W in float64, from the sums of the input.
private struct GlobalAveragePool: CompiledOperator {
  let table: KernelTable
  var kernel: String { "channel sums \(table.channelSums.instructionSet)" }

  func summedInput(_ inputs: [Operand?]) -> Int? { 0 }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let x = try input(inputs, 0).image
    guard let sums = context.inputSums else {
      throw RBNError(.malformedGraph, .model, "the sums of the input are missing")
    }
    let out = context.pointer(output)
    let pixels = Double(x.height * x.width)
    for i in 0..<x.batch * x.channels { out[i] = Float(sums[i] / pixels) }
  }
}
