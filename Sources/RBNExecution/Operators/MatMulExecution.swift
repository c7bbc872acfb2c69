import RBNGraph
import RBNTensor

extension MatMul: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledMatMul(table: node.kernels)
  }
}

/// Row-major matrices, the right ones packed first.
private struct CompiledMatMul: CompiledOperator {
  let table: KernelTable
  var kernel: String { "matmul \(table.instructionSet)" }
  var acceptsAnyFormat: Bool { true }

  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat { .contiguous }

  private func product(_ b: Operand) -> MatrixProduct {
    MatrixProduct(depth: b.shape[b.shape.rank - 2], columns: b.shape[b.shape.rank - 1], table: table)
  }

  private func matrices(_ operand: Operand) -> Int { operand.shape.dropLast(2).reduce(1) { $0 &* $1 } }

  private func packedByteCount(_ b: Operand) throws -> Int {
    let (count, overflow) = product(b).packedCount.multipliedReportingOverflow(by: matrices(b))
    let (bytes, tooMany) = count.multipliedReportingOverflow(by: MemoryLayout<Float>.size)
    guard !overflow, !tooMany, bytes <= Int.max / 2 else {
      throw RBNError(.memoryLimit, .input, "the matrices don't fit in memory")
    }
    return TensorStorage.aligned(bytes)
  }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    let (a, b) = (try input(inputs, 0), try input(inputs, 1))
    return try packedByteCount(b) + RowMajorScratch.byteCount([a, b, output])
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let (a, b) = (try input(inputs, 0), try input(inputs, 1))
    if output.count == 0 { return }
    let product = product(b)
    let packed = context.scratch.assumingMemoryBound(to: Float.self)
    var scratch = RowMajorScratch(context.advanced(by: try packedByteCount(b)), table)
    let (left, right) = (scratch.source(a), scratch.source(b))
    let (rows, depth, columns) = (a.shape[a.shape.rank - 2], product.depth, product.columns)
    context.pool.parallelFor(count: matrices(b)) { index, _ in
      product.pack(
        right + index * depth * columns, rowStride: columns, columnStride: 1,
        into: packed + index * product.packedCount)
    }
    let (leftOf, rightOf) = (sources(a, output), sources(b, output))
    scratch.withTarget(output) { target in
      MatrixProduct.forEachBlock(batches: matrices(output), rows: rows, pool: context.pool) {
        batch, first, count, _ in
        product.multiply(
          left + leftOf[batch] * rows * depth + first * depth, rowStride: depth, rows: count,
          packed: packed + rightOf[batch] * product.packedCount,
          out: target + (batch * rows + first) * columns, outStride: columns)
      }
    }
  }

  /// For each matrix of the output, which of an operand's matrices it is made of.
  private func sources(_ operand: Operand, _ output: Operand) -> [Int] {
    let shape = Shape(output.shape.dimensions.dropLast(2))
    let own = Shape(operand.shape.dimensions.dropLast(2))
    let broadcast = Broadcast.strides(
      of: Operand(location: .arena(0), shape: own, format: .contiguous), in: shape)
    var result: [Int] = []
    StridedIteration(shape: shape, strides: [shape.contiguousStrides, broadcast]).forEachRow { row in
      for i in 0..<row.count { result.append(row.offsets.1 + i &* row.strides.1) }
    }
    return result
  }
}

extension RunContext {
  /// The same with scratch memory that begins further on.
  func advanced(by bytes: Int) -> RunContext {
    RunContext(arena: arena, scratch: scratch + bytes, pool: pool)
  }
}
