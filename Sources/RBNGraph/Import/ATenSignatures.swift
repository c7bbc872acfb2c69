/// ATen's schemas, as PyTorch prints them, without results and alias annotations.
///
/// Exported programs leave out arguments that are at their default, so the defaults must be known here. In-place overloads
/// (`add_.Tensor`) have the schema of their functional twin.
enum ATenSignatures {
  /// Every schema, by overload.
  static let table: [String: ATenSignature] = {
    var table: [String: ATenSignature] = [:]
    for line in lines {
      if let signature = ATenSignature(line) { table[signature.target] = signature }
    }
    return table
  }()

  /// One schema a line.
  static let lines: [Substring] = [
    convolution, elementwise, reduction, view, copy, size, activation, comparison, layer, statistics,
    rearrangement, creation,
  ].flatMap { $0.split(separator: "\n") }

  private static let convolution = """
    conv2d.default(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], SymInt[2] \
    padding=[0, 0], SymInt[2] dilation=[1, 1], SymInt groups=1)
    conv2d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], str \
    padding='valid', SymInt[2] dilation=[1, 1], SymInt groups=1)
    convolution.default(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, \
    SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups)
    batch_norm.default(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? \
    running_var, bool training, float momentum, float eps, bool cudnn_enabled)
    _native_batch_norm_legit_no_training.default(Tensor input, Tensor? weight, Tensor? bias, Tensor \
    running_mean, Tensor running_var, float momentum, float eps)
    _native_batch_norm_legit.no_stats(Tensor input, Tensor? weight, Tensor? bias, bool training, float \
    momentum, float eps)
    _native_batch_norm_legit.default(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, \
    Tensor running_var, bool training, float momentum, float eps)
    _native_batch_norm_legit_functional.default(Tensor input, Tensor? weight, Tensor? bias, Tensor \
    running_mean, Tensor running_var, bool training, float momentum, float eps)
    linear.default(Tensor input, Tensor weight, Tensor? bias=None)
    addmm.default(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1)
    mm.default(Tensor self, Tensor mat2)
    matmul.default(Tensor self, Tensor other)
    """

  private static let elementwise = """
    relu.default(Tensor self)
    relu6.default(Tensor self)
    hardtanh.default(Tensor self, Scalar min_val=-1, Scalar max_val=1)
    clamp.default(Tensor self, Scalar? min=None, Scalar? max=None)
    clamp_min.default(Tensor self, Scalar min)
    clamp_max.default(Tensor self, Scalar max)
    sigmoid.default(Tensor self)
    hardsigmoid.default(Tensor self)
    hardswish.default(Tensor self)
    silu.default(Tensor self)
    gelu.default(Tensor self, *, str approximate='none')
    tanh.default(Tensor self)
    abs.default(Tensor self)
    exp.default(Tensor self)
    sqrt.default(Tensor self)
    rsqrt.default(Tensor self)
    reciprocal.default(Tensor self)
    neg.default(Tensor self)
    square.default(Tensor self)
    pow.Tensor_Scalar(Tensor self, Scalar exponent)
    add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1)
    add.Scalar(Tensor self, Scalar other, Scalar alpha=1)
    sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1)
    sub.Scalar(Tensor self, Scalar other, Scalar alpha=1)
    rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1)
    rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1)
    mul.Tensor(Tensor self, Tensor other)
    mul.Scalar(Tensor self, Scalar other)
    div.Tensor(Tensor self, Tensor other)
    div.Scalar(Tensor self, Scalar other)
    """

  private static let reduction = """
    mean.default(Tensor self, *, ScalarType? dtype=None)
    mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None)
    sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None)
    softmax.int(Tensor self, int dim, ScalarType? dtype=None)
    _softmax.default(Tensor self, int dim, bool half_to_float)
    adaptive_avg_pool2d.default(Tensor self, SymInt[2] output_size)
    _adaptive_avg_pool2d.default(Tensor self, SymInt[2] output_size)
    avg_pool2d.default(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, bool \
    ceil_mode=False, bool count_include_pad=True, int? divisor_override=None)
    max_pool2d.default(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, int[2] \
    dilation=1, bool ceil_mode=False)
    max_pool2d_with_indices.default(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, \
    int[2] dilation=1, bool ceil_mode=False)
    """

  private static let view = """
    view.default(Tensor self, SymInt[] size)
    view_as.default(Tensor self, Tensor other)
    reshape.default(Tensor self, SymInt[] shape)
    _unsafe_view.default(Tensor self, SymInt[] size)
    flatten.using_ints(Tensor self, int start_dim=0, int end_dim=-1)
    unsqueeze.default(Tensor self, int dim)
    squeeze.dim(Tensor self, int dim)
    squeeze.dims(Tensor self, int[] dim)
    permute.default(Tensor self, int[] dims)
    transpose.int(Tensor self, int dim0, int dim1)
    t.default(Tensor self)
    expand.default(Tensor self, SymInt[] size, *, bool implicit=False)
    expand_as.default(Tensor self, Tensor other)
    slice.Tensor(Tensor self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1)
    select.int(Tensor self, int dim, SymInt index)
    chunk.default(Tensor self, int chunks, int dim=0)
    split.Tensor(Tensor self, SymInt split_size, int dim=0)
    split.sizes(Tensor self, SymInt[] split_size, int dim=0)
    split_with_sizes.default(Tensor self, SymInt[] split_sizes, int dim=0)
    unbind.int(Tensor self, int dim=0)
    """

  private static let copy = """
    cat.default(Tensor[] tensors, int dim=0)
    pad.default(Tensor self, SymInt[] pad, str mode='constant', float? value=None)
    constant_pad_nd.default(Tensor self, SymInt[] pad, Scalar value=0)
    clone.default(Tensor self, *, MemoryFormat? memory_format=None)
    contiguous.default(Tensor self, *, MemoryFormat memory_format=contiguous_format)
    alias.default(Tensor self)
    detach.default(Tensor self)
    detach_.default(Tensor self)
    lift_fresh_copy.default(Tensor self)
    dropout.default(Tensor input, float p, bool train)
    dropout_.default(Tensor self, float p, bool train)
    feature_dropout.default(Tensor input, float p, bool train)
    to.dtype(Tensor self, ScalarType dtype, bool non_blocking=False, bool copy=False, MemoryFormat? \
    memory_format=None)
    to.dtype_layout(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, \
    bool? pin_memory=None, bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None)
    to.device(Tensor self, Device device, ScalarType dtype, bool non_blocking=False, bool copy=False, \
    MemoryFormat? memory_format=None)
    _to_copy.default(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, \
    bool? pin_memory=None, bool non_blocking=False, MemoryFormat? memory_format=None)
    """

  private static let size = """
    sym_size.int(Tensor self, int dim)
    """

  /// Python's arithmetic on sizes.
  static let sizeOperations: [String: SymbolicSize.Operation] = [
    "_operator.add": .add, "_operator.sub": .subtract, "_operator.mul": .multiply,
    "_operator.floordiv": .floorDivide,
  ]

  /// Checks of sizes and dtypes that the exporter leaves in programs; shape inference makes its own.
  static let assertions: Set<String> = [
    "torch.ops.aten._assert_scalar.default", "torch.ops.aten._assert_tensor_metadata.default",
    "torch.ops.aten.sym_constrain_range_for_size.default", "torch.ops.aten.sym_constrain_range.default",
    "_operator.ge", "_operator.le", "_operator.gt", "_operator.lt", "_operator.eq", "_operator.ne",
  ]
}
