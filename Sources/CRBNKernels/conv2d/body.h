// An implicit-GEMM micro-kernel: RBN_TILE_PIXELS pixels × RBN_TILE_VECTORS vectors of output channels, accumulated in
// registers over all taps and input channels. Defines RBN_TILE_FUNCTION; included once per tile.

#define RBN_TILE_CHANNELS (RBN_TILE_VECTORS * RBN_VECTOR_LENGTH)

// One input channel of one tap: acc[p][j] += x[p][k] · weights[j].
RBN_INLINE void RBN_TILE_STATIC(multiply)(
    size_t pixels, vf *acc, const float *const *x, size_t k, const float *weights) {
  vf w[RBN_TILE_VECTORS];
  RBN_UNROLL for (size_t j = 0; j < RBN_TILE_VECTORS; j++) w[j] = vload(weights + j * RBN_VECTOR_LENGTH);
  RBN_UNROLL for (size_t p = 0; p < pixels; p++) {
    const vf value = vsplat(x[p][k]);
    RBN_UNROLL for (size_t j = 0; j < RBN_TILE_VECTORS; j++) {
      acc[p * RBN_TILE_VECTORS + j] = vfma(value, w[j], acc[p * RBN_TILE_VECTORS + j]);
    }
  }
}

// acc[p][j] = Σ over taps, over input channels k: rows[tap][p][k] · weights[tap][k][j]; one fused multiply-add each.
//
// `ahead`, if given, is prefetched at twice the rate at which weights are read.
RBN_INLINE void RBN_TILE_STATIC(accumulate)(
    size_t pixels, vf *acc, const float *const *rows, size_t offset, size_t taps, size_t depth,
    const float *weights, const char *ahead) {
  enum { STEP = 4, LINE = 64 };
  RBN_UNROLL for (size_t i = 0; i < pixels * RBN_TILE_VECTORS; i++) acc[i] = vsplat(0);
  for (size_t tap = 0; tap < taps; tap++) {
    const float *x[RBN_TILE_PIXELS];
    RBN_UNROLL for (size_t p = 0; p < pixels; p++) x[p] = rows[tap * RBN_TILE_PIXELS + p] + offset;
    size_t k = 0;
    if (ahead) {
      for (; k + STEP <= depth; k += STEP) {
        RBN_UNROLL for (size_t i = 0; i < STEP; i++) {
          RBN_TILE_STATIC(multiply)(pixels, acc, x, k + i, weights + i * RBN_TILE_CHANNELS);
        }
        RBN_UNROLL for (size_t i = 0; i < STEP * RBN_TILE_CHANNELS * sizeof(float) / 2; i += LINE) {
          __builtin_prefetch(ahead + i, 0, 2);
        }
        ahead += STEP * RBN_TILE_CHANNELS * sizeof(float) / 2;
        weights += STEP * RBN_TILE_CHANNELS;
      }
    }
    for (; k + STEP <= depth; k += STEP) {
      RBN_UNROLL for (size_t i = 0; i < STEP; i++) {
        RBN_TILE_STATIC(multiply)(pixels, acc, x, k + i, weights + i * RBN_TILE_CHANNELS);
      }
      weights += STEP * RBN_TILE_CHANNELS;
    }
    for (; k < depth; k++) {
      RBN_TILE_STATIC(multiply)(pixels, acc, x, k, weights);
      weights += RBN_TILE_CHANNELS;
    }
  }
}

RBN_INLINE void RBN_TILE_STATIC(tile)(
    size_t pixels, const rbn_conv_task *task, const float *const *rows, size_t first_pixel, const char *ahead) {
  vf acc[RBN_TILE_PIXELS * RBN_TILE_VECTORS];
  float *output = task->output + first_pixel * task->output_stride;
  // What the epilogue touches is on its way while the sums are made.
  RBN_UNROLL for (size_t p = 0; p < pixels; p++) {
    __builtin_prefetch(output + p * task->output_stride, 1, 3);
    if (task->epilogue.residual) {
      __builtin_prefetch(task->epilogue.residual + (first_pixel + p) * task->output_stride, 0, 3);
    }
  }
  RBN_TILE_STATIC(accumulate)(
      pixels, acc, rows, task->channel_offset, task->taps, task->depth, task->weights, ahead);
  const size_t sums_row = first_pixel / RBN_SUMS_BLOCK;
  if (task->channels >= RBN_TILE_CHANNELS) {
    finish_tile(
        pixels, RBN_TILE_VECTORS, acc, &task->epilogue, first_pixel, sums_row, RBN_TILE_CHANNELS, 1, output,
        task->output_stride);
  } else {
    finish_tile(
        pixels, RBN_TILE_VECTORS, acc, &task->epilogue, first_pixel, sums_row, task->channels, 0, output,
        task->output_stride);
  }
}

void RBN_TILE_FUNCTION(const rbn_conv_task *task) {
  const float *dense[RBN_TILE_PIXELS];
  // Half of the next panel's weights during each of the first two tiles.
  const char *ahead = (const char *)task->prefetch;
  const size_t half = task->taps * task->depth * RBN_TILE_CHANNELS * sizeof(float) / 2;
  for (size_t first = 0; first < task->pixels; first += RBN_TILE_PIXELS) {
    const size_t left = task->pixels - first < RBN_TILE_PIXELS ? task->pixels - first : RBN_TILE_PIXELS;
    const float *const *rows = dense;
    if (task->rows) {
      rows = task->rows + first * task->taps;
    } else {
      for (size_t p = 0; p < left; p++) dense[p] = task->input + (first + p) * task->input_stride;
    }
    if (left == RBN_TILE_PIXELS) {
      if (ahead && first < 2 * RBN_TILE_PIXELS) {
        RBN_TILE_STATIC(tile)(RBN_TILE_PIXELS, task, rows, first, ahead + first / RBN_TILE_PIXELS * half);
      } else {
        RBN_TILE_STATIC(tile)(RBN_TILE_PIXELS, task, rows, first, NULL);
      }
      continue;
    }
    size_t p = 0;
#if RBN_TILE_PIXELS > 4
    if (left & 4) {
      RBN_TILE_STATIC(tile)(4, task, rows, first, NULL);
      p = 4;
    }
#endif
    if (left & 2) {
      RBN_TILE_STATIC(tile)(2, task, rows + p, first + p, NULL);
      p += 2;
    }
    if (left & 1) RBN_TILE_STATIC(tile)(1, task, rows + p, first + p, NULL);
  }
}

#undef RBN_TILE_CHANNELS
#undef RBN_TILE_PIXELS
#undef RBN_TILE_VECTORS
#undef RBN_TILE_FUNCTION
#undef RBN_TILE_STATIC
