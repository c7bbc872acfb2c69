import RBNFormats
import RBNTensor

// MARK: - Shuffles, repetition, indexing

extension Lowerings {
  static let rearrangements: [String: Lowering] = [
    "pixel_shuffle.default": { context, arguments in
      let factor = try arguments.int("upscale_factor")
      return .value(try pixelShuffle(&context, try arguments.tensor("self"), factor: factor))
    },
    "pixel_unshuffle.default": { context, arguments in
      let factor = try arguments.int("downscale_factor")
      return .value(try pixelUnshuffle(&context, try arguments.tensor("self"), factor: factor))
    },
    "channel_shuffle.default": channelShuffle, "native_channel_shuffle.default": channelShuffle,
    "stack.default": { context, arguments in
      let tensors = try arguments.tensors("tensors")
      guard let first = tensors.first else { throw unsupported("stacks no tensors") }
      let axis = try wrap(try arguments.int("dim"), rank: try context.shape(of: first).rank + 1)
      let parts = try tensors.map { try insertAxis(&context, $0, at: axis) }
      return .value(try context.emit(Concat(dim: axis), parts))
    },
    "repeat.default": { context, arguments in
      .value(try repeated(&context, try arguments.tensor("self"), try arguments.ints("repeats")))
    },
    "tile.default": { context, arguments in
      let x = try arguments.tensor("self")
      let counts = try arguments.ints("dims")
      let missing = max(try context.shape(of: x).rank - counts.count, 0)
      return .value(try repeated(&context, x, [Int](repeating: 1, count: missing) + counts))
    },
    "repeat_interleave.self_int": { context, arguments in
      guard let dim = try arguments.optionalInt("dim") else { throw unsupported("repeats all elements") }
      let x = try arguments.tensor("self")
      let rank = try context.shape(of: x).rank
      let axis = try wrap(dim, rank: rank)
      return .value(
        try repeatedEach(&context, x, axis: axis, count: try arguments.int("repeats")))
    },
    "roll.default": { context, arguments in
      let x = try arguments.tensor("self")
      let (shifts, dims) = (try arguments.ints("shifts"), try arguments.ints("dims"))
      let rank = try context.shape(of: x).rank
      if !dims.isEmpty {
        return .value(
          try context.emit(try Roll(Attributes(["shifts": .ints(shifts), "dims": .ints(dims)])), [x]))
      }
      let flat = try reshaped(&context, x, [SymbolicSize(-1)])
      let op = try Roll(Attributes(["shifts": .ints(shifts), "dims": .ints([0])]))
      let rolled = try context.emit(op, [flat])
      return .value(try reshaped(&context, rolled, ownSizes(x, rank: rank, in: context)))
    },
    "flip.default": { context, arguments in
      let op = try Flip(Attributes(["dims": try arguments.intsAttribute("dims")]))
      return .value(try context.emit(op, [try arguments.tensor("self")]))
    },
    "index_select.default": { context, arguments in
      let op = try IndexSelect(Attributes(["dim": .int(try arguments.int("dim"))]))
      return .value(try context.emit(op, [try arguments.tensor("self"), try arguments.tensor("index")]))
    },
    "embedding.default": { context, arguments in
      let inputs = [try arguments.tensor("weight"), try arguments.tensor("indices")]
      return .value(try context.emit(IndexSelect(dim: 0), inputs))
    },
    "index.Tensor": { context, arguments in
      .value(
        try indexed(&context, try arguments.tensor("self"), try arguments.optionalTensors("indices")))
    },
    "as_strided.default": asStrided,
    "slice_scatter.default": { context, arguments in
      let (start, end) = (try arguments.optionalInt("start"), try arguments.optionalInt("end"))
      let slice = Slice(
        dim: try arguments.int("dim"), start: start ?? 0, end: end ?? Int.max, step: try arguments.int("step")
      )
      return try scatter(&context, arguments, slice, try arguments.tensor("src"))
    },
    "select_scatter.default": { context, arguments in
      let index = try arguments.int("index")
      let x = try arguments.tensor("self")
      let axis = try wrap(try arguments.int("dim"), rank: try context.shape(of: x).rank)
      let slice = Slice(dim: axis, start: index, end: index == -1 ? Int.max : index + 1)
      let source = try insertAxis(&context, try arguments.tensor("src"), at: axis)
      return try scatter(&context, arguments, slice, source)
    },
    "type_as.default": convertLike, "to.other": convertLike,
  ]

  private static let convertLike: Lowering = { context, arguments in
    let (x, other) = (try arguments.tensor("self"), try arguments.tensor("other"))
    guard let dtype = context.type(of: other)?.dtype, dtype != context.type(of: x)?.dtype else {
      return .views([[ViewStep(Identity())]])
    }
    return .value(try context.emit(Cast(to: dtype), [x]))
  }

  // MARK: Shuffles

  /// The sizes (N, C, H, W) of an image.
  private static func imageSizes(_ context: ImportContext, _ x: Graph.ValueID) throws -> (
    shape: Shape, sizes: [SymbolicSize]
  ) {
    let shape = try context.shape(of: x)
    guard shape.rank == 4 else { throw unsupported("shuffles a tensor of shape \(shape), not (N, C, H, W)") }
    return (shape, ownSizes(x, rank: 4, in: context))
  }

  private static func pixelShuffle(
    _ context: inout ImportContext, _ x: Graph.ValueID, factor: Int
  ) throws -> Graph.ValueID {
    let (shape, sizes) = try imageSizes(context, x)
    guard factor > 0, factor <= 1024, shape[1] % (factor * factor) == 0 else {
      throw unsupported("spreads \(shape[1]) channels over \(factor) × \(factor) pixels")
    }
    let (channels, r) = (SymbolicSize(shape[1] / (factor * factor)), SymbolicSize(factor))
    let split = try reshaped(&context, x, [sizes[0], channels, r, r, sizes[2], sizes[3]])
    let permuted = try context.emit(Permute(dims: [0, 1, 4, 2, 5, 3]), [split])
    return try reshaped(
      &context, permuted,
      [
        sizes[0], channels, try SymbolicSize(.multiply, sizes[2], r),
        try SymbolicSize(.multiply, sizes[3], r),
      ])
  }

  private static func pixelUnshuffle(
    _ context: inout ImportContext, _ x: Graph.ValueID, factor: Int
  ) throws -> Graph.ValueID {
    let (shape, sizes) = try imageSizes(context, x)
    guard factor > 0, factor <= 1024, shape[2] % factor == 0, shape[3] % factor == 0 else {
      throw unsupported("gathers \(factor) × \(factor) pixels of \(shape)")
    }
    let r = SymbolicSize(factor)
    let height = try SymbolicSize(.floorDivide, sizes[2], r)
    let width = try SymbolicSize(.floorDivide, sizes[3], r)
    let split = try reshaped(&context, x, [sizes[0], sizes[1], height, r, width, r])
    let permuted = try context.emit(Permute(dims: [0, 1, 3, 5, 2, 4]), [split])
    let channels = try SymbolicSize(.multiply, sizes[1], SymbolicSize(factor * factor))
    return try reshaped(&context, permuted, [sizes[0], channels, height, width])
  }

  private static let channelShuffle: Lowering = { context, arguments in
    let x = try arguments.tensor("self")
    let groups = try arguments.int("groups")
    let (shape, sizes) = try imageSizes(context, x)
    guard groups > 0, shape[1] % groups == 0 else {
      throw unsupported("shuffles \(shape[1]) channels in \(groups) groups")
    }
    let split = try reshaped(
      &context, x, [sizes[0], SymbolicSize(groups), SymbolicSize(shape[1] / groups), sizes[2], sizes[3]])
    let permuted = try context.emit(Permute(dims: [0, 2, 1, 3, 4]), [split])
    return .value(try reshaped(&context, permuted, sizes))
  }

  // MARK: Repetition

  /// `Tensor.repeat`: new dimensions of size `count` before those repeated, joined with them.
  private static func repeated(
    _ context: inout ImportContext, _ x: Graph.ValueID, _ counts: [Int]
  ) throws -> Graph.ValueID {
    let shape = try context.shape(of: x)
    guard counts.count >= shape.rank, counts.allSatisfy({ $0 >= 0 && $0 <= 1 << 20 }) else {
      throw unsupported("repeats a tensor of shape \(shape) by \(counts.prefix(8))")
    }
    let added = counts.count - shape.rank
    let own =
      [SymbolicSize](repeating: SymbolicSize(1), count: added) + ownSizes(x, rank: shape.rank, in: context)
    var (split, spread, joined): ([SymbolicSize], [SymbolicSize], [SymbolicSize]) = ([], [], [])
    for (count, size) in zip(counts, own) {
      split += [SymbolicSize(1), size]
      spread += [SymbolicSize(count), size]
      joined.append(try SymbolicSize(.multiply, SymbolicSize(count), size))
    }
    return try spreadOut(&context, x, split, spread, joined)
  }

  private static func repeatedEach(
    _ context: inout ImportContext, _ x: Graph.ValueID, axis: Int, count: Int
  ) throws -> Graph.ValueID {
    guard count >= 0, count <= 1 << 20 else { throw unsupported("repeats each element \(count) times") }
    let own = ownSizes(x, rank: try context.shape(of: x).rank, in: context)
    var (split, spread, joined) = (own, own, own)
    split.insert(SymbolicSize(1), at: axis + 1)
    spread.insert(SymbolicSize(count), at: axis + 1)
    joined[axis] = try SymbolicSize(.multiply, own[axis], SymbolicSize(count))
    return try spreadOut(&context, x, split, spread, joined)
  }

  private static func spreadOut(
    _ context: inout ImportContext, _ x: Graph.ValueID, _ split: [SymbolicSize], _ spread: [SymbolicSize],
    _ joined: [SymbolicSize]
  ) throws -> Graph.ValueID {
    let narrow = try reshaped(&context, x, split)
    let (sizes, extra) = spread.expressions(first: narrow)
    let wide = try context.emit(Expand(sizes: sizes), [narrow] + extra)
    return try reshaped(&context, wide, joined)
  }

  // MARK: Indexing

  /// `x[:, :, i]` and `x[:, i, j]`: one index, or several of neighbouring dimensions, which are joined to one first.
  private static func indexed(
    _ context: inout ImportContext, _ x: Graph.ValueID, _ indices: [Graph.ValueID?]
  ) throws -> Graph.ValueID {
    let shape = try context.shape(of: x)
    let given = indices.indices.filter { indices[$0] != nil }
    guard indices.count <= shape.rank, let first = given.first, let last = given.last,
      last - first + 1 == given.count
    else { throw unsupported("takes indices of dimensions that are not neighbours") }
    var position: Graph.ValueID?
    for axis in given {
      guard let index = indices[axis], context.type(of: index)?.dtype != .bool else {
        throw unsupported("selects elements by a mask, whose number is not known before")
      }
      guard given.count > 1 else {
        position = index
        break
      }
      guard context.graph.inputs.isEmpty || shape[axis] > 0 else { throw unsupported("indexes nothing") }
      // Negative indices count from the end.
      let wrapped = try context.emit(Binary(.remainder, scalar: Double(shape[axis])), [index])
      if let before = position {
        let row = try context.emit(Binary(.mul, scalar: Double(shape[axis])), [before])
        position = try context.emit(Binary(.add), [row, wrapped])
      } else {
        position = wrapped
      }
    }
    var source = x
    if given.count > 1 {
      var sizes = ownSizes(x, rank: shape.rank, in: context)
      let count = given.reduce(1) { $0 * shape[$1] }
      sizes.replaceSubrange(first...last, with: [SymbolicSize(count)])
      source = try reshaped(&context, x, sizes)
    }
    return try context.emit(IndexSelect(dim: first), [source, position])
  }

  /// What `as_strided` is in eval mode: another shape of the same elements in order.
  private static let asStrided: Lowering = { context, arguments in
    let x = try arguments.tensor("self")
    let traced = try context.traced(arguments.subject ?? "")
    let shape = try context.shape(of: x)
    let offset = try arguments.isNone("storage_offset") ? 0 : try arguments.int("storage_offset")
    let (size, stride) = (try arguments.ints("size"), try arguments.ints("stride"))
    let target = Shape(size)
    let isDense = Strides.areContiguous(target, stride, order: Array(target.indices))
    let wasDense = Strides.areContiguous(shape, traced.strides, order: Array(shape.indices))
    guard offset == 0, isDense, wasDense, try target.elementCount() == shape.elementCount() else {
      throw unsupported("looks at memory with strides of its own")
    }
    return .views([[.reshape(size.map { SymbolicSize($0) }, of: x)]])
  }

  /// self with the elements of a slice replaced.
  private static func scatter(
    _ context: inout ImportContext, _ arguments: ATenArguments, _ slice: Slice, _ source: Graph.ValueID
  ) throws -> Lowered {
    let x = try arguments.tensor("self")
    let shape = try context.shape(of: x)
    guard slice.step == 1 else { throw unsupported("writes to every \(slice.step)th element") }
    let axis = try wrap(slice.dim, rank: shape.rank)
    return .value(
      try context.replace(slice.range(size: shape[axis]), of: x, axis: axis, with: source))
  }
}
