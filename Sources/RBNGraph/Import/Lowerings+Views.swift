import RBNFormats
import RBNTensor

// MARK: - Views, copies and sizes

extension Lowerings {
  static let views: [String: Lowering] = [
    "view.default": { context, arguments in
      let x = try arguments.tensor("self")
      return .views([[.reshape(try arguments.sizes("size"), of: x)]])
    },
    "view_copy.default": { context, arguments in
      let x = try arguments.tensor("self")
      return try copy(.reshape(try arguments.sizes("size"), of: x), of: x, &context)
    },
    "reshape_as.default": { context, arguments in
      let (x, other) = (try arguments.tensor("self"), try arguments.tensor("other"))
      let sizes = ownSizes(other, rank: try context.shape(of: other).rank)
      return try viewOrCopy(.reshape(sizes, of: x), of: x, &context, arguments)
    },
    "view_as.default": { context, arguments in
      let (x, other) = (try arguments.tensor("self"), try arguments.tensor("other"))
      return .views([[.reshape(ownSizes(other, rank: try context.shape(of: other).rank), of: x)]])
    },
    "_unsafe_view.default": { context, arguments in
      let x = try arguments.tensor("self")
      return try copy(.reshape(try arguments.sizes("size"), of: x), of: x, &context)
    },
    "reshape.default": { context, arguments in
      let x = try arguments.tensor("self")
      return try viewOrCopy(.reshape(try arguments.sizes("shape"), of: x), of: x, &context, arguments)
    },
    "flatten.using_ints": { context, arguments in
      let op = try Flatten(
        Attributes([
          "start_dim": .int(try arguments.int("start_dim")), "end_dim": .int(try arguments.int("end_dim")),
        ]))
      return try viewOrCopy(ViewStep(op), of: try arguments.tensor("self"), &context, arguments)
    },
    "unsqueeze.default": { context, arguments in
      let x = try arguments.tensor("self")
      let rank = try context.shape(of: x).rank
      let axis = try wrap(try arguments.int("dim"), rank: rank + 1)
      var sizes = ownSizes(x, rank: rank)
      sizes.insert(SymbolicSize(1), at: axis)
      return .views([[.reshape(sizes, of: x)]])
    },
    "squeeze.dim": { context, arguments in
      try squeeze(&context, arguments, dims: [try arguments.int("dim")])
    },
    "squeeze.dims": { context, arguments in
      try squeeze(&context, arguments, dims: try arguments.ints("dim"))
    },
    "squeeze.default": { context, arguments in
      let shape = try context.shape(of: try arguments.tensor("self"))
      return try squeeze(&context, arguments, dims: Array(shape.indices))
    },
    "unflatten.int": { context, arguments in
      let x = try arguments.tensor("self")
      let rank = try context.shape(of: x).rank
      let axis = try wrap(try arguments.int("dim"), rank: rank)
      var sizes = ownSizes(x, rank: rank)
      sizes.replaceSubrange(axis...axis, with: try arguments.sizes("sizes"))
      return .views([[.reshape(sizes, of: x)]])
    },
    "permute_copy.default": { context, arguments in
      let op = try Permute(Attributes(["dims": try arguments.intsAttribute("dims")]))
      return .value(try context.emit(op, [try arguments.tensor("self")]))
    },
    "swapaxes.default": { try swap(&$0, $1, "axis0", "axis1") },
    "swapdims.default": { try swap(&$0, $1, "dim0", "dim1") },
    "movedim.int": { context, arguments in
      let rank = try context.shape(of: try arguments.tensor("self")).rank
      var order = Array(0..<rank)
      let moved = order.remove(at: try wrap(try arguments.int("source"), rank: rank))
      order.insert(moved, at: try wrap(try arguments.int("destination"), rank: rank))
      return .views([[ViewStep(Permute(dims: order))]])
    },
    "numpy_T.default": { context, arguments in
      let rank = try context.shape(of: try arguments.tensor("self")).rank
      return .views([[ViewStep(Permute(dims: (0..<rank).reversed()))]])
    },
    "mT.default": { context, arguments in
      let rank = try context.shape(of: try arguments.tensor("self")).rank
      guard rank >= 2 else { throw unsupported("transposes a tensor of rank \(rank)") }
      return .views([[ViewStep(Permute(dims: (0..<rank - 2) + [rank - 1, rank - 2]))]])
    },
    "permute.default": { _, arguments in
      .views([[ViewStep(try Permute(Attributes(["dims": try arguments.intsAttribute("dims")])))]])
    },
    "transpose.int": { try swap(&$0, $1, "dim0", "dim1") },
    "t.default": { context, arguments in
      let rank = try context.shape(of: try arguments.tensor("self")).rank
      guard rank <= 2 else { throw unsupported("transposes a tensor of rank \(rank)") }
      return .views([[rank == 2 ? ViewStep(Permute(dims: [1, 0])) : ViewStep(Identity())]])
    },
    "narrow.default": { context, arguments in
      let x = try arguments.tensor("self")
      let shape = try context.shape(of: x)
      let axis = try wrap(try arguments.int("dim"), rank: shape.rank)
      let (start, length) = (try arguments.int("start"), try arguments.int("length"))
      let first = start < 0 ? start + shape[axis] : start
      guard first >= 0, first <= shape[axis], length >= 0, length <= shape[axis] - first else {
        throw RBNError(
          .shapeMismatch, .model, "takes \(length) from \(start) of a dimension of size \(shape[axis])")
      }
      return .views([[ViewStep(Slice(dim: axis, start: first, end: first + length))]])
    },
    "broadcast_to.default": { context, arguments in
      let (sizes, extra) = try arguments.sizes("size").expressions(first: try arguments.tensor("self"))
      return .views([[ViewStep(Expand(sizes: sizes), extra: extra)]])
    },
    "expand_copy.default": { context, arguments in
      let x = try arguments.tensor("self")
      let (sizes, extra) = try arguments.sizes("size").expressions(first: x)
      return .value(try context.emit(Expand(sizes: sizes), [x] + extra))
    },
    "expand.default": { context, arguments in
      let (sizes, extra) = try arguments.sizes("size").expressions(first: try arguments.tensor("self"))
      return .views([[ViewStep(Expand(sizes: sizes), extra: extra)]])
    },
    "expand_as.default": { context, arguments in
      let other = try arguments.tensor("other")
      let sizes = ownSizes(other, rank: try context.shape(of: other).rank)
      let (expressions, extra) = sizes.expressions(first: try arguments.tensor("self"))
      return .views([[ViewStep(Expand(sizes: expressions), extra: extra)]])
    },
    "slice.Tensor": { _, arguments in
      let op = try Slice(
        Attributes([
          "dim": .int(try arguments.int("dim")), "start": .int(try arguments.optionalInt("start") ?? 0),
          "end": .int(try arguments.optionalInt("end") ?? Int.max), "step": .int(try arguments.int("step")),
        ]))
      return .views([[ViewStep(op)]])
    },
    "select.int": { context, arguments in
      let x = try arguments.tensor("self")
      return .views([
        try select(&context, x, dim: try arguments.int("dim"), index: try arguments.int("index"))
      ])
    },
    "unbind.int": { context, arguments in
      let x = try arguments.tensor("self")
      let shape = try context.shape(of: x)
      let axis = try wrap(try arguments.int("dim"), rank: shape.rank)
      try checkPieces(shape[axis])
      return .views(try (0..<shape[axis]).map { try select(&context, x, dim: axis, index: $0) })
    },
    "chunk.default": chunk, "unsafe_chunk.default": chunk,
    "split.Tensor": splitEvenly, "unsafe_split.Tensor": splitEvenly,
    "unsafe_split_with_sizes.default": { try split(&$0, $1, sizes: try $1.ints("split_sizes")) },
    "split.sizes": { try split(&$0, $1, sizes: try $1.ints("split_size")) },
    "split_with_sizes.default": { try split(&$0, $1, sizes: try $1.ints("split_sizes")) },
    "alias.default": same("self"), "detach.default": same("self"), "detach_.default": same("self"),
    "dropout.default": dropout, "dropout_.default": dropout, "feature_dropout.default": dropout,
    "alpha_dropout.default": dropout, "feature_alpha_dropout.default": dropout,
    "clone.default": { try copy(ViewStep(Identity()), of: try $1.tensor("self"), &$0) },
    "lift_fresh_copy.default": { try copy(ViewStep(Identity()), of: try $1.tensor("self"), &$0) },
    "contiguous.default": { context, arguments in
      let x = try arguments.tensor("self")
      let traced = try context.traced(arguments.subject ?? "")
      let shape = try context.shape(of: x)
      var order = Array(shape.indices)
      if case .memoryFormat(.channelsLast) = try arguments.value("memory_format"), shape.rank == 4 {
        order = [0, 2, 3, 1]
      }
      return Strides.areContiguous(shape, traced.strides, order: order)
        ? .views([[ViewStep(Identity())]]) : try copy(ViewStep(Identity()), of: x, &context)
    },
    "to.dtype": conversion, "to.dtype_layout": conversion, "to.device": conversion,
    "_to_copy.default": conversion,
    "cat.default": concatenation, "concat.default": concatenation, "concatenate.default": concatenation,
    "constant_pad_nd.default": { context, arguments in
      try pad(&context, arguments, value: try arguments.double("value"))
    },
    "pad.default": { context, arguments in
      let text = try arguments.string("mode")
      guard let mode = Pad.Mode(rawValue: text) else { throw unsupported("pads in mode '\(text)'") }
      return try pad(&context, arguments, value: try arguments.optionalDouble("value") ?? 0, mode: mode)
    },
    "reflection_pad1d.default": { try pad(&$0, $1, "padding", mode: .reflect) },
    "reflection_pad2d.default": { try pad(&$0, $1, "padding", mode: .reflect) },
    "replication_pad1d.default": { try pad(&$0, $1, "padding", mode: .replicate) },
    "replication_pad2d.default": { try pad(&$0, $1, "padding", mode: .replicate) },
    "sym_size.int": { context, arguments in
      let x = try arguments.tensor("self")
      let shape = try context.shape(of: x)
      let axis = try wrap(try arguments.int("dim"), rank: shape.rank)
      return .size(context.graph.isParameter(x) ? SymbolicSize(shape[axis]) : SymbolicSize(x, axis: axis))
    },
  ]

  private static func swap(
    _ context: inout ImportContext, _ arguments: ATenArguments, _ first: String, _ second: String
  ) throws -> Lowered {
    let rank = try context.shape(of: try arguments.tensor("self")).rank
    if rank == 0 { return .views([[ViewStep(Identity())]]) }
    var order = Array(0..<rank)
    order.swapAt(
      try wrap(try arguments.int(first), rank: rank), try wrap(try arguments.int(second), rank: rank))
    return .views([[ViewStep(Permute(dims: order))]])
  }

  private static func same(_ name: String) -> Lowering {
    { _, arguments in
      _ = try arguments.tensor(name)
      return .views([[ViewStep(Identity())]])
    }
  }

  private static let dropout: Lowering = { _, arguments in
    guard try !arguments.bool("train") else {
      throw RBNError(
        .importTrainingMode, .model, "drops values at random: the network was exported in training mode",
        advice: "call model.eval() before torch.export.export")
    }
    return .views([[ViewStep(Identity())]])
  }

  private static let conversion: Lowering = { context, arguments in
    let x = try arguments.tensor("self")
    let own = context.type(of: x)?.dtype ?? .float32
    let dtype = try arguments.dtype("dtype") ?? own
    if dtype != own { return .value(try context.emit(Cast(to: dtype), [x])) }
    let isView = try arguments.has("copy") && !arguments.bool("copy")
    return isView
      ? .views([[ViewStep(Identity())]]) : try copy(ViewStep(Identity()), of: x, &context)
  }

  private static func copy(
    _ step: ViewStep, of x: Graph.ValueID, _ context: inout ImportContext
  ) throws -> Lowered {
    .value(try context.emit(step.op, [x] + step.extra))
  }

  /// A view where PyTorch makes one; where the elements don't lie right for that, a copy.
  private static func viewOrCopy(
    _ step: ViewStep, of x: Graph.ValueID, _ context: inout ImportContext, _ arguments: ATenArguments
  ) throws -> Lowered {
    let traced = try context.traced(arguments.subject ?? "")
    let types = ([x] + step.extra).map { context.type(of: $0) }
    let target = try step.op.inferTypes(types)[0].shape
    return Strides.allowView(try context.shape(of: x), traced.strides, as: target)
      ? .views([[step]]) : try copy(step, of: x, &context)
  }

  private static func ownSizes(_ x: Graph.ValueID, rank: Int) -> [SymbolicSize] {
    (0..<rank).map { SymbolicSize(x, axis: $0) }
  }

  /// The sizes of a value: numbers for what is computed of parameters alone, which no input's size changes.
  static func ownSizes(_ x: Graph.ValueID, rank: Int, in context: ImportContext) -> [SymbolicSize] {
    if context.isConstant(x), let shape = context.type(of: x)?.shape { return shape.map { SymbolicSize($0) } }
    return ownSizes(x, rank: rank)
  }

  static func wrap(_ axis: Int, rank: Int) throws -> Int {
    let (sum, overflow) = axis < 0 ? axis.addingReportingOverflow(rank) : (axis, false)
    guard !overflow, sum >= 0, sum < rank else {
      throw RBNError(.shapeMismatch, .model, "dimension \(axis) is out of range for a tensor of rank \(rank)")
    }
    return sum
  }

  private static func squeeze(_ context: inout ImportContext, _ arguments: ATenArguments, dims: [Int]) throws
    -> Lowered
  {
    let x = try arguments.tensor("self")
    let shape = try context.shape(of: x)
    let dropped = try Set(dims.map { try wrap($0, rank: shape.rank) }).filter { shape[$0] == 1 }
    let sizes = ownSizes(x, rank: shape.rank).enumerated().filter { !dropped.contains($0.offset) }
    return .views([[.reshape(sizes.map(\.element), of: x)]])
  }

  private static func select(_ context: inout ImportContext, _ x: Graph.ValueID, dim: Int, index: Int) throws
    -> [ViewStep]
  {
    let shape = try context.shape(of: x)
    let axis = try wrap(dim, rank: shape.rank)
    guard index >= -shape[axis], index < shape[axis] else {
      throw RBNError(.shapeMismatch, .model, "selects index \(index) of \(shape[axis])")
    }
    let slice = Slice(dim: axis, start: index, end: index == -1 ? Int.max : index + 1)
    // The reshape's input is the slice, whose value is not made yet: its sizes are its own, but for `axis`.
    let sizes = shape.indices.filter { $0 != axis }.map { SizeExpression.size(input: 0, axis: $0) }
    return [ViewStep(slice), ViewStep(Reshape(sizes: sizes))]
  }

  private static let chunk: Lowering = { context, arguments in
    let chunks = try arguments.int("chunks")
    guard chunks > 0 else { throw unsupported("splits into \(chunks) chunks") }
    return try split(&context, arguments) { size in max(1, size / chunks + (size % chunks == 0 ? 0 : 1)) }
  }

  private static let splitEvenly: Lowering = { context, arguments in
    let size = try arguments.int("split_size")
    guard size > 0 else { throw unsupported("splits into pieces of \(size)") }
    return try split(&context, arguments) { _ in size }
  }

  /// More pieces than this are refused before room for them is made.
  private static let pieceLimit = 4096

  private static func checkPieces(_ count: Int) throws {
    guard count <= pieceLimit else { throw unsupported("splits into more than \(pieceLimit) pieces") }
  }

  private static func split(
    _ context: inout ImportContext, _ arguments: ATenArguments, pieceSize: (Int) -> Int
  ) throws -> Lowered {
    let shape = try context.shape(of: try arguments.tensor("self"))
    let axis = try wrap(try arguments.int("dim"), rank: shape.rank)
    let step = pieceSize(shape[axis])
    let count = max(1, shape[axis] / step + (shape[axis] % step == 0 ? 0 : 1))
    try checkPieces(count)
    return .views(
      (0..<count).map {
        let start = $0 * step
        return [ViewStep(Slice(dim: axis, start: start, end: start + min(step, shape[axis] - start)))]
      })
  }

  private static func split(_ context: inout ImportContext, _ arguments: ATenArguments, sizes: [Int]) throws
    -> Lowered
  {
    let shape = try context.shape(of: try arguments.tensor("self"))
    let axis = try wrap(try arguments.int("dim"), rank: shape.rank)
    try checkPieces(sizes.count)
    var pieces: [[ViewStep]] = []
    var start = 0
    for size in sizes {
      guard size >= 0, size <= shape[axis] - start else {
        throw unsupported("splits a dimension of \(shape[axis]) into \(sizes)")
      }
      pieces.append([ViewStep(Slice(dim: axis, start: start, end: start + size))])
      start += size
    }
    guard start == shape[axis] else {
      throw unsupported("splits a dimension of \(shape[axis]) into \(sizes)")
    }
    return .views(pieces)
  }

  private static let concatenation: Lowering = { context, arguments in
    // ATen leaves out tensors of shape (0,), whatever the others' rank is.
    let tensors = try arguments.tensors("tensors")
    let kept = try tensors.filter { try context.shape(of: $0).dimensions != [0] }
    let op = try Concat(Attributes(["dim": .int(try arguments.int("dim"))]))
    return .value(try context.emit(op, kept.isEmpty ? tensors : kept))
  }

  private static func pad(
    _ context: inout ImportContext, _ arguments: ATenArguments, _ name: String = "pad", value: Double = 0,
    mode: Pad.Mode = .constant
  ) throws -> Lowered {
    let op = try Pad(
      Attributes([
        "pad": try arguments.intsAttribute(name), "value": .double(value), "mode": .string(mode.rawValue),
      ]))
    return .value(try context.emit(op, [try arguments.tensor("self")]))
  }
}
