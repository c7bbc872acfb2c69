import RBNGraph
import RBNTensor

extension ScaledDotProductAttention: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    CompiledAttention(op: self, table: node.kernels)
  }
}

/// Keys and values are packed; then blocks of queries: their scores stay in one thread's scratch memory from product to
/// softmax to product.
private struct CompiledAttention: CompiledOperator {
  let op: ScaledDotProductAttention
  let table: KernelTable
  var kernel: String { "attention \(table.instructionSet)" }
  var acceptsAnyFormat: Bool { true }

  func outputFormat(_ inputs: [Operand?], _ shape: Shape) -> MemoryFormat { .contiguous }

  /// Sizes, and what one call keeps in scratch memory, in floats.
  private struct Layout {
    let batches, queries, keys, depth, width: Int
    let scoring, weighing: MatrixProduct
    var scoreCount: Int { MatrixProduct.blockRows * keys }

    init(_ query: Operand, _ key: Operand, _ value: Operand, _ table: KernelTable) {
      let rank = query.shape.rank
      batches = query.shape.dropLast(2).reduce(1) { $0 &* $1 }
      (queries, depth) = (query.shape[rank - 2], query.shape[rank - 1])
      (keys, width) = (key.shape[rank - 2], value.shape[rank - 1])
      scoring = MatrixProduct(depth: depth, columns: keys, table: table)
      weighing = MatrixProduct(depth: keys, columns: width, table: table)
    }

    /// Packed keys and values, and the scores of each thread.
    func byteCount(threads: Int) throws -> Int {
      let packed = try Shape([batches, scoring.packedCount + weighing.packedCount]).byteCount(of: .float32)
      let scores = try Shape([threads, scoreCount]).byteCount(of: .float32)
      let (sum, overflow) = packed.addingReportingOverflow(scores)
      guard !overflow, sum <= Int.max / 2 else {
        throw RBNError(.memoryLimit, .input, "the attention does not fit in memory")
      }
      return TensorStorage.aligned(sum)
    }
  }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    let (query, key, value) = (try input(inputs, 0), try input(inputs, 1), try input(inputs, 2))
    return try Layout(query, key, value, table).byteCount(threads: threads)
      + RowMajorScratch.byteCount([query, key, value, output])
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let (query, key, value) = (try input(inputs, 0), try input(inputs, 1), try input(inputs, 2))
    let mask = inputs.count > 3 ? inputs[3] : nil
    if output.count == 0 { return }
    let layout = Layout(query, key, value, table)
    let packedKeys = context.scratch.assumingMemoryBound(to: Float.self)
    let packedValues = packedKeys + layout.batches * layout.scoring.packedCount
    let scores = packedValues + layout.batches * layout.weighing.packedCount
    let bytes = try layout.byteCount(threads: context.pool.threads)
    var scratch = RowMajorScratch(context.advanced(by: bytes), table)
    let (q, k, v) = (scratch.source(query), scratch.source(key), scratch.source(value))
    let (depth, keys, width, queries) = (layout.depth, layout.keys, layout.width, layout.queries)
    context.pool.parallelFor(count: layout.batches) { index, _ in
      layout.scoring.pack(
        k + index * keys * depth, rowStride: 1, columnStride: depth,
        into: packedKeys + index * layout.scoring.packedCount)
      layout.weighing.pack(
        v + index * keys * width, rowStride: width, columnStride: 1,
        into: packedValues + index * layout.weighing.packedCount)
    }
    let masks = mask.map { MaskRows($0, context, query: query, keys: keys) }
    scratch.withTarget(output) { target in
      MatrixProduct.forEachBlock(batches: layout.batches, rows: queries, pool: context.pool) {
        batch, first, rows, worker in
        let own = scores + worker * layout.scoreCount
        layout.scoring.multiply(
          q + (batch * queries + first) * depth, rowStride: depth, rows: rows,
          packed: packedKeys + batch * layout.scoring.packedCount, out: own, outStride: keys)
        weigh(own, batch, first, rows, layout, masks)
        layout.weighing.multiply(
          own, rowStride: keys, rows: rows, packed: packedValues + batch * layout.weighing.packedCount,
          out: target + (batch * queries + first) * width, outStride: width)
      }
    }
  }

  /// Scores to weights: scale, mask, softmax.
  private func weigh(
    _ scores: UnsafeMutablePointer<Float>, _ batch: Int, _ first: Int, _ rows: Int, _ layout: Layout,
    _ masks: MaskRows?
  ) {
    let keys = layout.keys
    let scale = Float(op.scale ?? 1 / Double(layout.depth).squareRoot())
    table.binaryScalar.function(Elementwise.Operation.mul.kernel, 0, scores, scale, scores, rows * keys)
    for row in 0..<rows {
      let line = scores + row * keys
      masks?.add(to: line, batch: batch, query: first + row)
      if op.isCausal, first + row + 1 < keys {
        (line + first + row + 1).update(repeating: -.infinity, count: keys - first - row - 1)
      }
    }
    table.softmaxRows.function(scores, rows, keys, scores)
  }
}

/// The rows of a mask, broadcast over the batch.
private struct MaskRows {
  private let start: UnsafePointer<Float>
  /// The offset of each batch's rows, and the strides between queries and keys.
  private let offsets: [Int]
  private let queryStride, keyStride, keys: Int

  init(_ mask: Operand, _ context: RunContext, query: Operand, keys: Int) {
    let shape = Shape(query.shape.dimensions.dropLast(1) + [keys])
    let strides = Broadcast.strides(of: mask, in: shape)
    let outer = Shape(shape.dimensions.dropLast(2))
    var offsets: [Int] = []
    StridedIteration(shape: outer, strides: [outer.contiguousStrides, Array(strides.dropLast(2))]).forEachRow
    {
      row in
      for i in 0..<row.count { offsets.append(row.offsets.1 + i &* row.strides.1) }
    }
    self.offsets = offsets
    start = UnsafePointer(context.pointer(mask))
    queryStride = strides[strides.count - 2]
    keyStride = strides[strides.count - 1]
    self.keys = keys
  }

  func add(to line: UnsafeMutablePointer<Float>, batch: Int, query: Int) {
    let row = start + offsets[batch] + query &* queryStride
    for key in 0..<keys { line[key] += row[key &* keyStride] }
  }
}
