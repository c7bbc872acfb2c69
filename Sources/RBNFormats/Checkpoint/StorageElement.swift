import RBNTensor

/// The type of a storage's elements, by the names of torch.
struct StorageElement: Hashable, Sendable {
  /// `FloatStorage`.
  var name: String
  var byteSize: Int
  /// Nil for a type that is not read, and for the bytes of an untyped storage.
  var dtype: DType?

  /// A storage class: `torch.FloatStorage`, `torch.cuda.HalfStorage`, `torch.storage.UntypedStorage`.
  init?(storage global: PickleGlobal) {
    guard ["torch", "torch.cuda", "torch.storage"].contains(global.module),
      let (byteSize, dtype) = Self.storages[global.name]
    else { return nil }
    self.name = global.name
    self.byteSize = byteSize
    self.dtype = dtype
  }

  var isUntyped: Bool { name == "UntypedStorage" }

  private static let storages: [String: (Int, DType?)] = [
    "FloatStorage": (4, .float32), "DoubleStorage": (8, .float64), "HalfStorage": (2, .float16),
    "BFloat16Storage": (2, .bfloat16), "CharStorage": (1, .int8), "ByteStorage": (1, .uint8),
    "ShortStorage": (2, .int16), "IntStorage": (4, .int32), "LongStorage": (8, .int64),
    "BoolStorage": (1, .bool), "UntypedStorage": (1, nil), "ComplexFloatStorage": (8, nil),
    "ComplexDoubleStorage": (16, nil), "QInt8Storage": (1, nil), "QUInt8Storage": (1, nil),
    "QInt32Storage": (4, nil), "QUInt4x2Storage": (1, nil), "QUInt2x4Storage": (1, nil),
  ]

  /// A dtype as torch names it: `torch.uint16`; nil for one that is not read.
  static func dtype(_ global: PickleGlobal) -> DType? {
    global.module == "torch" ? DType(rawValue: global.name) : nil
  }
}

/// A storage that a tensor refers to.
struct StorageReference: Hashable, Sendable {
  var key: String
  var element: StorageElement
  /// The number of elements.
  var count: Int

  /// The size in bytes; nil when no `Int` holds it.
  var byteCount: Int? {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: element.byteSize)
    return overflow || count < 0 ? nil : bytes
  }

  /// Reads the id of a storage: `('storage', FloatStorage, '0', 'cpu', 24)`, and a sixth part in legacy streams.
  ///
  /// The location, such as `cuda:0`, says where the tensor was when it was saved; it does not matter here.
  /// - Throws: `checkpoint.malformed-tensor`, `checkpoint.unsupported-tensor`.
  init(identifier: PickleValue, in pickle: Pickle) throws {
    guard let parts = pickle.tuple(identifier), parts.count == 5 || parts.count == 6,
      case .string("storage") = parts[0], let global = pickle.global(parts[1]),
      case .string(let key) = parts[2], case .int(let count) = parts[4], count >= 0
    else {
      throw RBNError(.malformedTensor, .model, "refers to a storage by \(pickle.summary(identifier))")
    }
    guard let element = StorageElement(storage: global) else {
      throw RBNError(.unsupportedTensor, .model, "is stored in \(global), which is no storage of torch")
    }
    if parts.count == 6 {
      guard case .none = parts[5] else {
        throw RBNError(
          .unsupportedTensor, .model, "is stored in a view of another storage, as torch before 0.4 wrote it",
          advice: "load it with a current torch and save the state_dict again")
      }
    }
    self.key = key
    self.element = element
    self.count = count
  }
}
