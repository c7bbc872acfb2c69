extension ATenSignatures {
  static let layer = """
    conv1d.default(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], SymInt[1] \
    padding=[0], SymInt[1] dilation=[1], SymInt groups=1)
    conv1d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], str \
    padding='valid', SymInt[1] dilation=[1], SymInt groups=1)
    conv_transpose2d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], \
    SymInt[2] padding=[0, 0], SymInt[2] output_padding=[0, 0], SymInt groups=1, SymInt[2] dilation=[1, 1])
    conv_transpose1d.default(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], \
    SymInt[1] padding=[0], SymInt[1] output_padding=[0], SymInt groups=1, SymInt[1] dilation=[1])
    layer_norm.default(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, \
    float eps=1e-05, bool cudnn_enable=True)
    native_layer_norm.default(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float \
    eps)
    group_norm.default(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float \
    eps=1e-05, bool cudnn_enabled=True)
    native_group_norm.default(Tensor input, Tensor? weight, Tensor? bias, SymInt N, SymInt C, SymInt HxW, \
    int group, float eps)
    instance_norm.default(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? \
    running_var, bool use_input_stats, float momentum, float eps, bool cudnn_enabled)
    rms_norm.default(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None)
    bmm.default(Tensor self, Tensor mat2)
    baddbmm.default(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1)
    scaled_dot_product_attention.default(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, \
    float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False)
    _scaled_dot_product_flash_attention_for_cpu.default(Tensor query, Tensor key, Tensor value, float \
    dropout_p=0.0, bool is_causal=False, *, Tensor? attn_mask=None, float? scale=None)
    adaptive_max_pool2d.default(Tensor self, int[2] output_size)
    adaptive_avg_pool1d.default(Tensor self, int[1] output_size)
    adaptive_max_pool1d.default(Tensor self, int[1] output_size)
    avg_pool1d.default(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], bool \
    ceil_mode=False, bool count_include_pad=True)
    max_pool1d.default(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=[0], int[1] \
    dilation=[1], bool ceil_mode=False)
    upsample_nearest2d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors)
    upsample_nearest2d.default(Tensor self, SymInt[2] output_size, float? scales_h=None, float? \
    scales_w=None)
    _upsample_nearest_exact2d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors)
    _upsample_nearest_exact2d.default(Tensor self, SymInt[2] output_size, float? scales_h=None, float? \
    scales_w=None)
    upsample_bilinear2d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? \
    scale_factors)
    upsample_bilinear2d.default(Tensor self, SymInt[2] output_size, bool align_corners, float? \
    scales_h=None, float? scales_w=None)
    upsample_bicubic2d.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors)
    upsample_bicubic2d.default(Tensor self, SymInt[2] output_size, bool align_corners, float? \
    scales_h=None, float? scales_w=None)
    """

  static let statistics = """
    amax.default(Tensor self, int[1] dim=[], bool keepdim=False)
    amin.default(Tensor self, int[1] dim=[], bool keepdim=False)
    max.default(Tensor self)
    min.default(Tensor self)
    max.dim(Tensor self, int dim, bool keepdim=False)
    min.dim(Tensor self, int dim, bool keepdim=False)
    argmax.default(Tensor self, int? dim=None, bool keepdim=False)
    argmin.default(Tensor self, int? dim=None, bool keepdim=False)
    sum.default(Tensor self, *, ScalarType? dtype=None)
    prod.default(Tensor self, *, ScalarType? dtype=None)
    prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None)
    var.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False)
    var.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False)
    var.default(Tensor self, bool unbiased=True)
    std.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False)
    std.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False)
    std.default(Tensor self, bool unbiased=True)
    var_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False)
    logsumexp.default(Tensor self, int[1] dim, bool keepdim=False)
    topk.default(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True)
    sort.default(Tensor self, int dim=-1, bool descending=False)
    cumsum.default(Tensor self, int dim, *, ScalarType? dtype=None)
    linalg_vector_norm.default(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, \
    ScalarType? dtype=None)
    norm.ScalarOpt_dim(Tensor self, Scalar? p, int[1] dim, bool keepdim=False)
    norm.Scalar(Tensor self, Scalar p=2)
    any.dim(Tensor self, int dim, bool keepdim=False)
    all.dim(Tensor self, int dim, bool keepdim=False)
    any.default(Tensor self)
    all.default(Tensor self)
    log_softmax.int(Tensor self, int dim, ScalarType? dtype=None)
    _log_softmax.default(Tensor self, int dim, bool half_to_float)
    _safe_softmax.default(Tensor self, int dim, ScalarType? dtype=None)
    """

  static let rearrangement = """
    pixel_shuffle.default(Tensor self, int upscale_factor)
    pixel_unshuffle.default(Tensor self, int downscale_factor)
    channel_shuffle.default(Tensor self, SymInt groups)
    native_channel_shuffle.default(Tensor self, SymInt groups)
    stack.default(Tensor[] tensors, int dim=0)
    concat.default(Tensor[] tensors, int dim=0)
    concatenate.default(Tensor[] tensors, int dim=0)
    repeat.default(Tensor self, SymInt[] repeats)
    tile.default(Tensor self, SymInt[] dims)
    repeat_interleave.self_int(Tensor self, SymInt repeats, int? dim=None, *, SymInt? output_size=None)
    roll.default(Tensor self, SymInt[1] shifts, int[1] dims=[])
    flip.default(Tensor self, int[] dims)
    index_select.default(Tensor self, int dim, Tensor index)
    index.Tensor(Tensor self, Tensor?[] indices)
    embedding.default(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool \
    scale_grad_by_freq=False, bool sparse=False)
    unsafe_split.Tensor(Tensor self, SymInt split_size, int dim=0)
    unsafe_split_with_sizes.default(Tensor self, SymInt[] split_sizes, int dim=0)
    unsafe_chunk.default(Tensor self, int chunks, int dim=0)
    narrow.default(Tensor self, int dim, SymInt start, SymInt length)
    unflatten.int(Tensor self, int dim, SymInt[] sizes)
    squeeze.default(Tensor self)
    movedim.int(Tensor self, int source, int destination)
    swapaxes.default(Tensor self, int axis0, int axis1)
    swapdims.default(Tensor self, int dim0, int dim1)
    numpy_T.default(Tensor self)
    mT.default(Tensor self)
    reshape_as.default(Tensor self, Tensor other)
    broadcast_to.default(Tensor self, SymInt[] size)
    expand_copy.default(Tensor self, SymInt[] size, *, bool implicit=False)
    view_copy.default(Tensor self, SymInt[] size)
    permute_copy.default(Tensor self, int[] dims)
    as_strided.default(Tensor self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None)
    slice_scatter.default(Tensor self, Tensor src, int dim=0, SymInt? start=None, SymInt? end=None, SymInt \
    step=1)
    select_scatter.default(Tensor self, Tensor src, int dim, SymInt index)
    reflection_pad1d.default(Tensor self, SymInt[2] padding)
    reflection_pad2d.default(Tensor self, SymInt[4] padding)
    replication_pad1d.default(Tensor self, SymInt[2] padding)
    replication_pad2d.default(Tensor self, SymInt[4] padding)
    alpha_dropout.default(Tensor input, float p, bool train)
    feature_alpha_dropout.default(Tensor input, float p, bool train)
    type_as.default(Tensor self, Tensor other)
    to.other(Tensor self, Tensor other, bool non_blocking=False, bool copy=False, MemoryFormat? \
    memory_format=None)
    """

  static let creation = """
    zeros_like.default(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, \
    bool? pin_memory=None, MemoryFormat? memory_format=None)
    ones_like.default(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, \
    bool? pin_memory=None, MemoryFormat? memory_format=None)
    full_like.default(Tensor self, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, \
    Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None)
    zeros.default(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? \
    pin_memory=None)
    ones.default(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? \
    pin_memory=None)
    full.default(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? \
    device=None, bool? pin_memory=None)
    arange.default(Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? \
    pin_memory=None)
    arange.start(Scalar start, Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? \
    device=None, bool? pin_memory=None)
    arange.start_step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, Layout? \
    layout=None, Device? device=None, bool? pin_memory=None)
    scalar_tensor.default(Scalar s, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, \
    bool? pin_memory=None)
    new_zeros.default(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? \
    device=None, bool? pin_memory=None)
    new_ones.default(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? \
    device=None, bool? pin_memory=None)
    new_full.default(Tensor self, SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? \
    layout=None, Device? device=None, bool? pin_memory=None)
    empty.memory_format(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, \
    bool? pin_memory=None, MemoryFormat? memory_format=None)
    """
}
