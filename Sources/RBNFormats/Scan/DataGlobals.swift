/// The names in a pickle that only ever make data when Python calls them: tensors, arrays, containers, plain values.
///
/// An allow-list: whatever is not here is foreign, so that no list of dangerous names has to be complete.
enum DataGlobals {
  private static let names: Set<String> = [
    "_codecs.encode", "argparse.Namespace", "collections.Counter", "collections.OrderedDict",
    "collections.defaultdict",
    "collections.deque", "copy_reg._reconstructor", "copyreg._reconstructor", "datetime.date",
    "datetime.datetime",
    "datetime.timedelta", "decimal.Decimal", "fractions.Fraction", "numpy.dtype", "numpy.ndarray",
    "pathlib.Path",
    "pathlib.PosixPath", "pathlib.PurePosixPath", "pathlib.PureWindowsPath", "pathlib.WindowsPath",
    "torch.Size",
    "torch.device", "torch.serialization._get_layout", "uuid.UUID",
  ]

  /// Makers of arrays and scalars, in NumPy's module before 2.0 and after.
  private static let arrayMakers: Set<String> = [
    "multiarray._reconstruct", "multiarray.scalar", "numeric._frombuffer",
  ]

  /// Element types that have no storage here.
  private static let elementTypes: Set<String> = [
    "complex32", "complex64", "complex128", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu", "float4_e2m1fn_x2", "qint8", "quint8", "qint32", "quint4x2", "quint2x4", "bits8",
    "bits16", "per_tensor_affine",
    "per_channel_affine", "per_channel_affine_float_qparams", "strided", "sparse_coo", "sparse_csr",
    "contiguous_format",
    "channels_last", "channels_last_3d", "preserve_format",
  ]

  static func contains(_ global: PickleGlobal) -> Bool {
    let name = global.description
    if names.contains(name) || TensorRebuild.isKnown(name) || StorageElement(storage: global) != nil
      || StorageElement.dtype(global) != nil
    {
      return true
    }
    switch global.module {
    case "torch": return elementTypes.contains(global.name)
    case "builtins", "__builtin__": return BlockedGlobals.harmlessBuiltins.contains(global.name)
    case "numpy.dtypes": return global.name.hasSuffix("DType")
    default:
      return ["numpy.core.", "numpy._core."].contains { prefix in
        name.hasPrefix(prefix) && arrayMakers.contains(String(name.dropFirst(prefix.count)))
      }
    }
  }
}
