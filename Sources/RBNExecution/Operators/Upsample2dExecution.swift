import CRBNKernels
import RBNGraph
import RBNTensor

extension Upsample2d: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledUpsample(op: self, table: node.kernels)
  }
}

/// Copies of pixels for the nearest ones; weighted sums of 4 or 16 pixels over all channels at once for the others.
private struct CompiledUpsample: CompiledOperator {
  let op: Upsample2d
  let table: KernelTable
  var kernel: String { "\(op.mode) resampling \(table.blend.instructionSet)" }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let source = try input(inputs, 0)
    let (x, size) = (source.image, output.image)
    let rows = op.taps(axis: 0, input: x.height, output: size.height)
    let columns = op.taps(axis: 1, input: x.width, output: size.width)
    let (from, to) = (UnsafePointer(context.pointer(source)), context.pointer(output))
    let isCopy = op.mode == .nearest || op.mode == .nearestExact
    context.pool.parallelFor(count: x.batch * size.height) { index, _ in
      let (image, y) = index.quotientAndRemainder(dividingBy: size.height)
      let target = to + index * size.width * x.channels
      let lines = rows[y].positions.map { from + (image * x.height + $0) * x.width * x.channels }
      if isCopy {
        for (column, tap) in columns.enumerated() {
          (target + column * x.channels).update(
            from: lines[0] + tap.positions[0] * x.channels, count: x.channels)
        }
      } else {
        blendRow(lines, rows[y].weights, columns, x.channels, target)
      }
    }
  }

  private func blendRow(
    _ lines: [UnsafePointer<Float>], _ lineWeights: [Double], _ columns: [Upsample2d.Taps], _ channels: Int,
    _ target: UnsafeMutablePointer<Float>
  ) {
    let function = table.blend.function
    let count = lines.count * (columns.first?.positions.count ?? 0)
    withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: count) { pixels in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { weights in
        for (column, tap) in columns.enumerated() {
          var next = 0
          for (line, lineWeight) in zip(lines, lineWeights) {
            for (position, weight) in zip(tap.positions, tap.weights) {
              pixels[next] = line + position * channels
              weights[next] = Float(lineWeight * weight)
              next += 1
            }
          }
          var task = rbn_blend_task(
            rows: UnsafePointer(pixels.baseAddress), weights: UnsafePointer(weights.baseAddress),
            count: count, channels: channels, output: target + column * channels)
          function(&task)
        }
      }
    }
  }
}
