import CRBNKernels
import RBNGraph
import RBNTensor

extension ConvTranspose2d: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    guard let weight = try node.parameter(1, "weight"), weight.shape.rank == 4 else {
      throw RBNError(.malformedGraph, .model, "the transposed convolution has no weight")
    }
    return try CompiledConvTranspose(
      op: self, weight: weight, bias: node.floats(2, "bias"), table: node.kernels)
  }
}

/// Every input pixel times the kernel, by a matrix product; then every output pixel gathers its terms in the order of the taps.
private struct CompiledConvTranspose: CompiledOperator {
  let op: ConvTranspose2d
  let bias: PackedFloats?
  let products: [PackedLinear]
  let kernelSize: [Int]
  /// Output channels of a group.
  let groupOutputs: Int
  let groupInputs: Int
  let table: KernelTable
  var kernel: String { "transposed conv2d \(table.instructionSet)" }
  var consumedParameters: Set<Int> { [1, 2] }

  init(op: ConvTranspose2d, weight: Tensor, bias: PackedFloats?, table: KernelTable) throws {
    self.op = op
    self.bias = bias
    self.table = table
    kernelSize = [weight.shape[2], weight.shape[3]]
    groupOutputs = weight.shape[1]
    groupInputs = weight.shape[0] / op.groups
    let taps = kernelSize[0] * kernelSize[1]
    let values = weight.floats
    products = try (0..<op.groups).map { [groupOutputs, groupInputs] group in
      // (taps, outputs) × inputs, so that a tap's terms lie together.
      let matrix = try Tensor(shape: [taps * groupOutputs, groupInputs]) { bytes in
        let out = bytes.bindMemory(to: Float.self)
        for c in 0..<groupInputs {
          for o in 0..<groupOutputs {
            for tap in 0..<taps {
              out[(tap * groupOutputs + o) * groupInputs + c] =
                values[((group * groupInputs + c) * groupOutputs + o) * taps + tap]
            }
          }
        }
      }
      return try PackedLinear(weight: matrix, bias: nil, table: table)
    }
  }

  private var taps: Int { kernelSize[0] * kernelSize[1] }

  /// The bytes of a group's terms, of its inputs where they must be gathered, and of the product's own scratch memory.
  private func parts(_ x: Operand, threads: Int) throws -> (terms: Int, inputs: Int, product: Int) {
    let image = x.image
    let pixels = image.batch * image.height * image.width
    let terms = try Shape([pixels, taps, groupOutputs]).byteCount(of: .float32)
    let inputs = op.groups == 1 ? 0 : try Shape([pixels, groupInputs]).byteCount(of: .float32)
    let product = try products.first?.plan(batch: pixels, threads: threads).scratchByteCount ?? 0
    return (TensorStorage.aligned(terms), TensorStorage.aligned(inputs), product)
  }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    let parts = try parts(try input(inputs, 0), threads: threads)
    return parts.terms + parts.inputs + parts.product
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let source = try input(inputs, 0)
    let x = source.image
    let pixels = x.batch * x.height * x.width
    let parts = try parts(source, threads: context.pool.threads)
    let terms = context.scratch.assumingMemoryBound(to: Float.self)
    let gathered = (context.scratch + parts.terms).assumingMemoryBound(to: Float.self)
    for (group, product) in products.enumerated() {
      var from = UnsafePointer(context.pointer(source))
      if op.groups > 1 {
        StridedCopy(table: table, pool: context.pool).run(
          [pixels, groupInputs], from: from + group * groupInputs, [x.channels, 1], to: gathered,
          [groupInputs, 1])
        from = UnsafePointer(gathered)
      }
      try product.plan(batch: pixels, threads: context.pool.threads).run(
        input: from, output: terms, epilogue: Conv2dEpilogue(),
        scratch: context.scratch + parts.terms + parts.inputs, pool: context.pool)
      gather(terms, source, output, group, context)
    }
  }

  private func gather(
    _ terms: UnsafePointer<Float>, _ input: Operand, _ output: Operand, _ group: Int, _ context: RunContext
  ) {
    let (x, size) = (input.image, output.image)
    let to = context.pointer(output)
    let add = Elementwise.Operation.add.kernel
    let function = table.binary.function
    /// The input position whose kernel reaches an output position by a tap.
    func origin(_ position: Int, _ tap: Int, _ axis: Int, _ limit: Int) -> Int? {
      let offset = position + op.padding[axis] - tap * op.dilation[axis]
      guard offset >= 0, offset % op.stride[axis] == 0, offset / op.stride[axis] < limit else { return nil }
      return offset / op.stride[axis]
    }
    context.pool.parallelFor(count: x.batch * size.height) { index, _ in
      let (image, y) = index.quotientAndRemainder(dividingBy: size.height)
      for column in 0..<size.width {
        let target = to + (index * size.width + column) * size.channels + group * groupOutputs
        if let bias {
          target.update(from: bias.start + group * groupOutputs, count: groupOutputs)
        } else {
          target.update(repeating: 0, count: groupOutputs)
        }
        for i in 0..<kernelSize[0] {
          guard let row = origin(y, i, 0, x.height) else { continue }
          for j in 0..<kernelSize[1] {
            guard let place = origin(column, j, 1, x.width) else { continue }
            let pixel = (image * x.height + row) * x.width + place
            var task = rbn_binary_task(
              operation: add, swapped: 0, repeats_row: 0, a: UnsafePointer(target),
              b: terms + (pixel * taps + i * kernelSize[1] + j) * groupOutputs, output: target, rows: 1,
              channels: groupOutputs)
            function(&task)
          }
        }
      }
    }
  }
}
