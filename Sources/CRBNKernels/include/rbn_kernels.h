#pragma once

// Vector kernels over float32 activations in NHWC order. None allocates, starts a thread, or reads a byte outside
// the rows it is given. Each exists once per instruction set, under a suffix: see RBN_DECLARE_KERNELS.
//
// The order in which an output element is summed is part of the contract: it depends only on the kernel's own sizes
// (taps, then input channels, in order), never on which pixels or images share a tile.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Elementwise functions. RBN_CLAMP is min(max(x, low), high), and the identity when the bounds are infinite; a NaN
// stays a NaN in all of them.
typedef enum rbn_activation_kind {
  RBN_CLAMP = 0,
  RBN_HARDSWISH,
  RBN_HARDSIGMOID,
  RBN_SILU,
  RBN_SIGMOID,
  RBN_GELU,
  RBN_GELU_TANH,
  RBN_EXP,
  RBN_TANH,
  RBN_NEG,
  RBN_ABS,
  RBN_SQRT,
  RBN_RSQRT,
  RBN_RECIPROCAL,
  RBN_LEAKY_RELU,  // `low` is the slope below zero
  RBN_ELU,         // `low` · (e^x - 1) below zero
  RBN_MISH,
} rbn_activation_kind;

// The larger and smaller one is a NaN where either operand is.
typedef enum rbn_operation { RBN_ADD = 0, RBN_SUB, RBN_MUL, RBN_DIV, RBN_MAXIMUM, RBN_MINIMUM } rbn_operation;

// Pixels that share a row of sums: a multiple of every tile's number of pixels.
enum { RBN_SUMS_BLOCK = 48 };

// Winograd tiles that share a row of sums.
enum { RBN_WINOGRAD_SUMS_TILES = 4 };

typedef struct rbn_activation {
  int32_t kind;
  float low;
  float high;
} rbn_activation;

// What happens to v, an output of a convolution, before it is stored: in this order v += bias;
// v = v * scale + shift; v += residual; v = activation(v); sums += v. Null pointers leave their step out.
typedef struct rbn_epilogue {
  const float *bias;      // [channels]
  const float *scale;     // [channels], with shift
  const float *shift;     // [channels]
  const float *residual;  // addressed as the output is
  float *sums;            // rows of channels, added to: one for each RBN_SUMS_BLOCK pixels
  size_t sums_stride;     // floats between rows
  rbn_activation activation;
} rbn_epilogue;

// A run of pixels times one panel of output channels.
typedef struct rbn_conv_task {
  // [ceil(pixels / tile_pixels)][taps][tile_pixels] pointers to rows of input channels (see rbn_gather_rows), or null
  // when pixel p reads only input + p * input_stride.
  const float *const *rows;
  const float *input;
  size_t input_stride;
  size_t channel_offset;  // of the group's first channel within a row
  size_t taps;
  size_t depth;          // input channels of the group
  size_t pixels;
  size_t channels;       // output channels stored, at most the panel's width
  const float *weights;  // [taps * depth][panel width], zeros beyond `channels`
  const float *prefetch; // weights of the same size that the next task reads, or null
  float *output;         // of pixel 0, channel 0 of the panel
  size_t output_stride;  // floats between pixels
  rbn_epilogue epilogue; // pointers are to the panel's first channel
} rbn_conv_task;

// A run of pixels of a depthwise convolution, where output channel c reads input channel c / multiplier; or of a
// convolution in groups of `multiplier` input and as many output channels, of which whole groups fill a vector.
typedef struct rbn_depthwise_task {
  const float *const *rows;  // as in rbn_conv_task
  size_t taps;
  size_t kernel_width;    // taps side by side
  size_t stride_x;        // columns between the windows of neighbouring pixels
  size_t column_stride;   // floats between the columns that a window reads
  size_t multiplier;
  size_t pixels;
  size_t channels;        // output channels
  const float *weights;   // [taps][weights_stride]; in groups [channels / vector][taps][multiplier][vector]
  size_t weights_stride;  // a multiple of the vector length
  float *output;
  size_t output_stride;
  rbn_epilogue epilogue;
} rbn_depthwise_task;

// Winograd convolution F(m × m, 3 × 3) cuts the output into tiles of m × m pixels, in row-major order, the last of a row
// or column reaching beyond the image. Each element (i, j) of the (m + 2) × (m + 2) of a transformed tile is a matrix
// [tiles][channels]; the element's number is i * (m + 2) + j.

// The input transform, Bᵀ d B, of some tiles and channels of an image.
typedef struct rbn_winograd_input_task {
  size_t outputs;        // m: 2 or 4
  const float *input;    // the image's first pixel, first channel to transform
  const float *zeros;    // the row read outside of the image, `channels` long
  size_t pixel_stride;   // floats between pixels
  size_t height, width;
  size_t padding_y, padding_x;
  size_t tiles_x;        // tiles in a row
  size_t first, count;   // tiles to transform
  size_t channels;
  float *output;         // of element 0, the first tile, the first channel
  size_t element_stride, tile_stride;  // in floats
} rbn_winograd_input_task;

// The output transform, Aᵀ m A, of some tiles and one panel of channels of an image.
typedef struct rbn_winograd_output_task {
  size_t outputs;        // m: 2 or 4
  const float *input;    // of element 0, the first tile, the first channel; whole vectors of channels are read
  size_t element_stride, tile_stride;  // in floats
  size_t tiles_x;
  size_t first, count;
  size_t height, width;  // of the output image
  size_t channels;
  float *output;         // the image's first pixel
  size_t output_stride;  // floats between pixels
  rbn_epilogue epilogue; // residual: the image's first pixel; sums: one row for each RBN_WINOGRAD_SUMS_TILES tiles
} rbn_winograd_output_task;

// Which input pixels a window reads.
typedef struct rbn_window {
  const float *input;   // of the first image
  const float *padding; // the row read outside of the image, `channels` long
  size_t channels;
  size_t height, width;
  size_t output_height, output_width;
  size_t kernel_height, kernel_width;
  size_t stride_y, stride_x;
  size_t padding_y, padding_x;
  size_t dilation_y, dilation_x;
} rbn_window;

// Writes the rows of `count` output pixels, starting with pixel `first` of the flattened (image, y, x), in the order
// [tile][tap][tile_pixels]. Entries of the last tile beyond `count` are not written.
void rbn_gather_rows(const rbn_window *window, size_t first, size_t count, size_t tile_pixels, const float **rows);

// A weighted sum of `count` rows of `channels` elements, added up in their order: one pixel of a resampled image.
typedef struct rbn_blend_task {
  const float *const *rows;
  const float *weights;
  size_t count;
  size_t channels;
  float *output;
} rbn_blend_task;

// Normalises each of `rows` rows of `columns` elements by its own mean and biased variance, in double precision.
typedef struct rbn_row_norm_task {
  const float *input;
  const float *weight, *bias;  // [columns], or null
  double eps;
  float *output;  // may be input
  size_t rows, columns;
} rbn_row_norm_task;

// One window of a pooling layer, already clipped to the image: rows × columns input pixels.
typedef struct rbn_pool_task {
  const float *input;    // the window's first pixel
  size_t rows, columns;
  size_t row_stride, column_stride;  // in floats
  size_t channels;
  float *output;
} rbn_pool_task;

// The coefficients of one instance of a Representative BatchNorm, from the means of its channels; see InstanceAffine for
// the rows of the coefficients, alpha to beta.
typedef struct rbn_calibration_task {
  const double *coefficients;  // [8][coefficients_stride]
  size_t coefficients_stride;
  const double *means;         // [channels], or null for zeros
  int32_t has_sigmoid;
  size_t channels;
  float *scale, *shift;        // [channels]
} rbn_calibration_task;

// output = activation(input * scale + shift + residual), `rows` rows of `channels`.
typedef struct rbn_affine_task {
  const float *input;
  const float *scale, *shift;  // [channels]
  const float *residual;       // as input, or null
  float *output;               // may be input
  float *sums;                 // [ceil(rows / RBN_SUMS_BLOCK)][sums_stride], written; or null
  size_t sums_stride;
  size_t rows, channels;
  size_t row_stride;           // floats between rows of input, residual and output
  rbn_activation activation;
} rbn_affine_task;

// An operation on `rows` rows of `channels`; b repeats for each row when `repeats_row`. `swapped` computes b ∘ a.
typedef struct rbn_binary_task {
  int32_t operation;
  int32_t swapped;
  int32_t repeats_row;
  const float *a, *b;
  float *output;  // may be a or b
  size_t rows, channels;
} rbn_binary_task;

// The kernels that every instruction set has beside its convolution tiles.
//
// channel_sums adds the sum of each channel over the rows, in double precision and row order, to its last argument;
// channel_squares the sum of their squares. softmax_rows writes e^x / Σ e^x for each dense row; zeros where all are -inf.
// window_means writes [taps][channels], for a window of stride 1: the mean over all positions of the window of what each
// tap reads, from the image's sums of each channel. Its scratch holds (kernel_height + kernel_width + 1) * channels.
// transpose writes output[c * output_stride + r] = input[r * input_stride + c].
// peak computes RBN_PEAK_CHAINS multiply-adds of a vector each in every iteration; its result is there to be used.
#define RBN_DECLARE_KERNELS(suffix)                                                                               \
  void rbn_depthwise_##suffix(const rbn_depthwise_task *);                                                        \
  void rbn_grouped_##suffix(const rbn_depthwise_task *);                                                          \
  void rbn_winograd_input_##suffix(const rbn_winograd_input_task *);                                              \
  void rbn_winograd_output_##suffix(const rbn_winograd_output_task *);                                            \
  void rbn_max_pool_##suffix(const rbn_pool_task *);                                                              \
  void rbn_mean_pool_##suffix(const rbn_pool_task *, float divisor);                                              \
  void rbn_channel_sums_##suffix(const float *, size_t rows, size_t row_stride, size_t channels, double *);       \
  void rbn_calibrate_##suffix(const rbn_calibration_task *);                                                      \
  void rbn_channel_squares_##suffix(const float *, size_t rows, size_t row_stride, size_t channels, double *);    \
  void rbn_row_norm_##suffix(const rbn_row_norm_task *);                                                          \
  void rbn_softmax_rows_##suffix(const float *, size_t rows, size_t columns, float *);                            \
  void rbn_blend_##suffix(const rbn_blend_task *);                                                                \
  void rbn_affine_##suffix(const rbn_affine_task *);                                                              \
  void rbn_window_means_##suffix(const rbn_window *, const double *totals, double *scratch, float *means);         \
  void rbn_unary_##suffix(const float *, float *, size_t count, rbn_activation);                                  \
  void rbn_binary_##suffix(const rbn_binary_task *);                                                              \
  void rbn_binary_scalar_##suffix(                                                                                \
      int32_t operation, int32_t swapped, const float *, float scalar, float *, size_t count);                    \
  void rbn_transpose_##suffix(                                                                                    \
      const float *, size_t rows, size_t columns, size_t input_stride, float *, size_t output_stride);              \
  float rbn_peak_##suffix(size_t iterations, float factor, float addend);

// Convolution tiles are named by pixels × output channels.
RBN_DECLARE_KERNELS(portable)
void rbn_conv_6x16_portable(const rbn_conv_task *);
void rbn_conv_4x8_portable(const rbn_conv_task *);
void rbn_conv_8x4_portable(const rbn_conv_task *);

#if defined(__x86_64__)
RBN_DECLARE_KERNELS(avx2)
void rbn_conv_6x16_avx2(const rbn_conv_task *);
void rbn_conv_4x24_avx2(const rbn_conv_task *);
void rbn_conv_8x8_avx2(const rbn_conv_task *);

RBN_DECLARE_KERNELS(avx512)
void rbn_conv_6x64_avx512(const rbn_conv_task *);
void rbn_conv_8x48_avx512(const rbn_conv_task *);
void rbn_conv_8x32_avx512(const rbn_conv_task *);
void rbn_conv_8x16_avx512(const rbn_conv_task *);
#endif

// Independent chains of multiply-adds in the peak kernels.
enum { RBN_PEAK_CHAINS = 12 };

// Pixels in a tile of the depthwise and grouped kernels.
enum { RBN_DEPTHWISE_TILE = 6 };

// Whether this processor and its operating system run the kernels of a suffix.
int rbn_supports_avx2(void);
int rbn_supports_avx512(void);

// How many processors the calling thread may run on; 0 when that is not known.
int rbn_affinity_count(void);

// The processor that the calling thread runs on; -1 when that is not known.
int rbn_current_processor(void);

// Moves the calling thread to another processor, where it may run on another.
void rbn_leave_processor(int processor);

// Waits a moment inside of a spin loop.
void rbn_spin_hint(void);

// Tell ThreadSanitizer, in builds with it, that what was done before a release is seen after an acquire of the same object.
void rbn_note_release(void *object);
void rbn_note_acquire(void *object);

// The two words of a Swift closure (Int, Int) -> Void that does not escape; callable while its owner's frame lives.
typedef struct rbn_loop_body {
  void *function;
  void *context;
} rbn_loop_body;

// Called by Swift with the closure in place of the first two arguments.
void rbn_take_closure_apart(void *function, void *context, rbn_loop_body *parts);
void rbn_call_loop_body(rbn_loop_body body, intptr_t index, intptr_t worker);

// Whether the calling thread is inside of a parallel loop; `rbn_set_…` returns the former value.
int rbn_in_parallel_loop(void);
int rbn_set_in_parallel_loop(int value);

#ifdef __cplusplus
}
#endif
