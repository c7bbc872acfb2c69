#include "rbn_kernels.h"

// The next place of a tap in [tile][tap][tile_pixels].
typedef struct place {
  const float **next;
  size_t lane;
} place;

static inline void put(place *to, size_t tile_pixels, size_t jump, const float *row) {
  *to->next++ = row;
  if (++to->lane == tile_pixels) {
    to->lane = 0;
    to->next += jump;
  }
}

// The first output position whose input position for an offset is at least `bound`: x * stride + offset >= bound + padding.
static inline size_t first_reaching(size_t bound, size_t offset, size_t padding, size_t stride) {
  const size_t wanted = bound + padding;
  return offset >= wanted ? 0 : (wanted - offset + stride - 1) / stride;
}

static inline size_t at_most(size_t x, size_t limit) { return x < limit ? x : limit; }

// One tap of `count` output pixels of a row, from column `x`: those whose input column is inside, and padding around them.
static inline void gather_row(
    const rbn_window *w, const float *row, size_t offset, size_t x, size_t count, place to, size_t tile_pixels,
    size_t jump) {
  const size_t end = x + count;
  const size_t inside = at_most(first_reaching(0, offset, w->padding_x, w->stride_x), end);
  const size_t outside = at_most(first_reaching(w->width, offset, w->padding_x, w->stride_x), end);
  for (; x < inside; x++) put(&to, tile_pixels, jump, w->padding);
  if (x < outside) {
    const float *pixel = row + (x * w->stride_x + offset - w->padding_x) * w->channels;
    const size_t step = w->stride_x * w->channels;
    for (; x < outside; x++, pixel += step) put(&to, tile_pixels, jump, pixel);
  }
  for (; x < end; x++) put(&to, tile_pixels, jump, w->padding);
}

void rbn_gather_rows(const rbn_window *w, size_t first, size_t count, size_t tile_pixels, const float **rows) {
  const size_t taps = w->kernel_height * w->kernel_width;
  const size_t jump = (taps - 1) * tile_pixels;
  size_t x = first % w->output_width;
  size_t y = first / w->output_width % w->output_height;
  const float *image =
      w->input + first / w->output_width / w->output_height * w->height * w->width * w->channels;
  for (size_t done = 0; done < count;) {
    const size_t run = at_most(w->output_width - x, count - done);
    const float **tile = rows + done / tile_pixels * taps * tile_pixels + done % tile_pixels;
    for (size_t i = 0; i < w->kernel_height; i++) {
      // Unsigned: a row above the image wraps around and is not below the height either.
      const size_t iy = y * w->stride_y + i * w->dilation_y - w->padding_y;
      for (size_t j = 0; j < w->kernel_width; j++) {
        place to = {tile + (i * w->kernel_width + j) * tile_pixels, done % tile_pixels};
        if (iy < w->height) {
          gather_row(
              w, image + iy * w->width * w->channels, j * w->dilation_x, x, run, to, tile_pixels, jump);
        } else {
          for (size_t p = 0; p < run; p++) put(&to, tile_pixels, jump, w->padding);
        }
      }
    }
    done += run;
    x = 0;
    if (++y == w->output_height) {
      y = 0;
      image += w->height * w->width * w->channels;
    }
  }
}
