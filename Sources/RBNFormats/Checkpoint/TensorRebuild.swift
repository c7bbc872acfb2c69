import RBNTensor

/// A tensor as a checkpoint describes it: a strided view of a storage.
struct TensorDescription: Sendable {
  var storage: StorageReference
  var dtype: DType
  /// In elements of `dtype`.
  var offset: Int
  var shape: [Int]
  /// In elements of `dtype`.
  var strides: [Int]
}

/// The functions by which torch rebuilds tensors, read as descriptions.
enum TensorRebuild {
  /// What one of the functions does.
  private enum Rule {
    /// `(storage, offset, size, stride, …)`; where the dtype and the metadata stand among the arguments.
    case view(dtype: Int?, metadata: Int?)
    /// A tensor in the first argument, with what surrounds it left out.
    case wrapper
    /// `(function, type, arguments, state)`.
    case fromType
    /// Not read: what it makes.
    case refused(String)
  }

  /// The signatures are those of `torch/_utils.py` and `torch/_tensor.py`.
  private static let rules: [String: Rule] = [
    "torch._utils._rebuild_tensor": .view(dtype: nil, metadata: nil),
    "torch._utils._rebuild_tensor_v2": .view(dtype: nil, metadata: 6),
    "torch._utils._rebuild_tensor_v3": .view(dtype: 6, metadata: 7),
    "torch._utils._rebuild_parameter": .wrapper,
    "torch._utils._rebuild_parameter_with_state": .wrapper,
    "torch.nn.parameter.Parameter": .wrapper,
    "torch._tensor._rebuild_from_type_v2": .fromType,
    "torch._tensor._rebuild_from_type": .refused("a tensor of a subclass"),
    "torch._utils._rebuild_qtensor": .refused("a quantized tensor"),
    "torch._utils._rebuild_sparse_tensor": .refused("a sparse tensor"),
    "torch._utils._rebuild_sparse_csr_tensor": .refused("a sparse tensor"),
    "torch._utils._rebuild_nested_tensor": .refused("a nested tensor"),
    "torch._utils._rebuild_meta_tensor_no_storage": .refused("a tensor without data (device meta)"),
    "torch._utils._rebuild_wrapper_subclass": .refused("a tensor of a subclass"),
    "torch._utils._rebuild_device_tensor_from_numpy": .refused("a tensor of another device as a NumPy array"),
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": .refused("a tensor of another device"),
    "torch._utils._rebuild_xla_tensor": .refused("a tensor of an XLA device"),
    "torch.distributed.tensor.DTensor": .refused("a distributed tensor"),
    "torch.distributed._tensor.DTensor": .refused("a distributed tensor"),
    "numpy.core.multiarray._reconstruct": .refused("a NumPy array"),
    "numpy._core.multiarray._reconstruct": .refused("a NumPy array"),
    "numpy.core.numeric._frombuffer": .refused("a NumPy array"),
    "numpy._core.numeric._frombuffer": .refused("a NumPy array"),
  ]

  /// Classes whose instances are ordinary tensors.
  private static let tensorTypes: Set<String> = [
    "torch.Tensor", "torch._tensor.Tensor", "torch.tensor.Tensor", "torch.nn.parameter.Parameter",
    "torch.nn.parameter.Buffer",
  ]

  /// How many functions may wrap one tensor.
  private static let maximumWrapping = 8

  /// Whether a value is a tensor of whatever kind, also of one that is not read.
  static func isTensor(_ value: PickleValue, in pickle: Pickle) -> Bool {
    pickle.callee(value).map { rules[$0.description] != nil } ?? false
  }

  /// Whether a name is one of the functions and classes that tensors are made by, also of those that are not read.
  static func isKnown(_ name: String) -> Bool { rules[name] != nil || tensorTypes.contains(name) }

  /// The view that a tensor shows.
  ///
  /// - Throws: `checkpoint.unsupported-tensor`, `checkpoint.unsupported-dtype`, `checkpoint.malformed-tensor`.
  static func describe(_ value: PickleValue, in pickle: Pickle) throws -> TensorDescription {
    guard let object = pickle.object(value) else {
      throw RBNError(.unsupportedTensor, .model, "is \(pickle.summary(value)), not a tensor")
    }
    var callable = object.callable
    var arguments = object.arguments
    for _ in 0..<maximumWrapping {
      guard let function = pickle.global(callable), let rule = rules[function.description] else {
        throw RBNError(
          .unsupportedTensor, .model, "is made by \(name(callable, in: pickle)), which is not read",
          advice: remedy)
      }
      guard let parts = pickle.tuple(arguments) else {
        throw malformed(function, "its arguments are no tuple")
      }
      switch rule {
      case .view(let dtype, let metadata):
        return try view(parts, dtypeIndex: dtype, metadataIndex: metadata, function, in: pickle)
      case .refused(let kind):
        throw RBNError(
          .unsupportedTensor, .model, "is \(kind), made by \(function), which is not read", advice: remedy)
      case .wrapper:
        guard let inner = parts.first.flatMap({ pickle.object($0) }) else {
          throw malformed(function, "it wraps no tensor")
        }
        (callable, arguments) = (inner.callable, inner.arguments)
      case .fromType:
        guard parts.count == 4, let type = pickle.global(parts[1]) else {
          throw malformed(function, "it has \(parts.count) arguments")
        }
        guard tensorTypes.contains(type.description) else {
          throw RBNError(
            .unsupportedTensor, .model, "is a tensor of the subclass \(type), which is not read",
            advice: remedy)
        }
        (callable, arguments) = (parts[0], parts[2])
      }
    }
    throw RBNError(.malformedTensor, .model, "is wrapped more than \(maximumWrapping) times")
  }

  private static let remedy =
    "convert it in PyTorch to a plain tensor of float32 and save the state_dict again"

  private static func name(_ callable: PickleValue, in pickle: Pickle) -> String {
    pickle.global(callable)?.description ?? pickle.summary(callable)
  }

  private static func malformed(_ function: PickleGlobal, _ reason: String) -> RBNError {
    RBNError(.malformedTensor, .model, "has a malformed call of \(function): \(reason)")
  }

  private static func view(
    _ parts: [PickleValue], dtypeIndex: Int?, metadataIndex: Int?, _ function: PickleGlobal, in pickle: Pickle
  ) throws -> TensorDescription {
    guard parts.count >= 4, dtypeIndex.map({ $0 < parts.count }) ?? true else {
      throw malformed(function, "it has \(parts.count) arguments")
    }
    guard case .persistent(let identifier) = pickle.node(parts[0]) else {
      throw malformed(function, "its storage is \(pickle.summary(parts[0]))")
    }
    let storage = try StorageReference(identifier: identifier, in: pickle)
    guard case .int(let offset) = parts[1], let shape = integers(parts[2], in: pickle),
      let strides = integers(parts[3], in: pickle)
    else {
      let given = parts[1...3].map { pickle.summary($0) }.joined(separator: ", ")
      throw malformed(function, "its offset, size and stride are \(given), and not integers of 64 bits")
    }
    guard shape.count == strides.count, offset >= 0, shape.allSatisfy({ $0 >= 0 }),
      strides.allSatisfy({ $0 >= 0 })
    else {
      throw malformed(
        function,
        "offset \(offset), size \(shape.prefix(8)) and stride \(strides.prefix(8)) are those of no tensor")
    }
    // PyTorch keeps some operations as bits that the reader of the data applies.
    if let metadataIndex, metadataIndex < parts.count {
      try checkMetadata(parts[metadataIndex], function, in: pickle)
    }
    return TensorDescription(
      storage: storage, dtype: try dtype(of: storage, dtypeIndex.map { parts[$0] }, function, in: pickle),
      offset: offset, shape: shape, strides: strides)
  }

  private static func dtype(
    of storage: StorageReference, _ named: PickleValue?, _ function: PickleGlobal, in pickle: Pickle
  ) throws -> DType {
    guard let named else {
      guard let dtype = storage.element.dtype else { throw unsupported(storage.element.name) }
      return dtype
    }
    guard let global = pickle.global(named) else {
      throw malformed(function, "its dtype is \(pickle.summary(named))")
    }
    guard let dtype = StorageElement.dtype(global) else { throw unsupported(global.description) }
    return dtype
  }

  private static func unsupported(_ element: String) -> RBNError {
    RBNError(
      .unsupportedElement, .model, "has elements of \(element), which are not read", advice: remedy)
  }

  private static func checkMetadata(
    _ value: PickleValue, _ function: PickleGlobal, in pickle: Pickle
  ) throws {
    if case .none = value { return }
    guard let items = pickle.items(value) else {
      throw malformed(function, "its metadata is \(pickle.summary(value))")
    }
    for item in items {
      if case .bool(false) = item.value { continue }
      throw RBNError(
        .unsupportedTensor, .model, "has the metadata \(pickle.summary(item.key)), which is not read",
        advice: "save the tensor after .resolve_neg().resolve_conj()")
    }
  }

  /// A tuple of integers, bare or as `torch.Size`.
  private static func integers(_ value: PickleValue, in pickle: Pickle) -> [Int]? {
    var values = pickle.tuple(value) ?? pickle.list(value)
    if pickle.callee(value)?.description == "torch.Size", let object = pickle.object(value),
      let inner = pickle.tuple(object.arguments)?.first
    {
      values = pickle.tuple(inner) ?? pickle.list(inner)
    }
    guard let values, values.count <= StridedTensor.maximumRank else { return nil }
    let integers = values.compactMap { value -> Int? in
      if case .int(let number) = value { return number }
      return nil
    }
    return integers.count == values.count ? integers : nil
  }
}
