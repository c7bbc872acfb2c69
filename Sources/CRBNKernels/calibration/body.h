// What a Representative BatchNorm does after its mean is known: the coefficients of an instance, and their application.

#include "../conv2d/epilogue.h"

typedef int64_t vl __attribute__((vector_size(RBN_VECTOR_LENGTH * sizeof(int64_t))));

RBN_INLINE vd vsplat_double(double x) { return x - (vd){0}; }
RBN_INLINE vd vselect_double(vl mask, vd a, vd b) { return (vd)((mask & (vl)a) | (~mask & (vl)b)); }

// e^x within 1e-13 relative for |x| <= 700, clamped beyond; NaN stays.
//
// x = n ln 2 + r with |r| <= ln 2 / 2; e^r by its Taylor polynomial of degree 11, whose remainder is r^12 / 12! < 7e-15.
RBN_INLINE vd vexp_double(vd x) {
  const vd bounded =
      vselect_double(x > 700.0, vsplat_double(700.0), vselect_double(x < -700.0, vsplat_double(-700.0), x));
  // Adding 1.5 · 2^52 rounds to an integer, which is then in the low bits of the significand.
  const vd magic = vsplat_double(6755399441055744.0);
  const vd rounded = bounded * 1.44269504088896340736 + magic;
  const vd n = rounded - magic;
  const vd r = (bounded - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  vd p = vsplat_double(1.0 / 39916800);
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  const vl exponent = (vl)rounded - (vl)magic;
  return vselect_double(x == x, p * (vd)((exponent + 1023) << 52), x);
}

RBN_INLINE vd load_double_up_to(const double *from, size_t lanes) {
  if (lanes >= RBN_VECTOR_LENGTH) return vload_double(from);
  double values[RBN_VECTOR_LENGTH] = {0};
  for (size_t i = 0; i < lanes; i++) values[i] = from[i];
  return vload_double(values);
}

RBN_INLINE vf vnarrow(vd x) { return __builtin_convertvector(x, vf); }

// Rounding a to a' would move every element by (a' - a) x, which is nearly the same for all of an instance whose mean m is
// far larger than its deviation. The shift takes that up: a x + d = a' x + d + (a - a') m + (a - a') (x - m), and only
// the last term, of rounding size in x - m, is left out.
void RBN_NAME(rbn_calibrate)(const rbn_calibration_task *t) {
  for (size_t c = 0; c < t->channels; c += RBN_VECTOR_LENGTH) {
    const size_t lanes = t->channels - c;
    const double *row = t->coefficients + c;
#define RBN_ROW(number) load_double_up_to(row + (number) * t->coefficients_stride, lanes)
    const vd m = t->means ? load_double_up_to(t->means + c, lanes) : vsplat_double(0);
    vd a = RBN_ROW(5), d = RBN_ROW(6) * m + RBN_ROW(7);
    if (t->has_sigmoid) {
      const vd s = 1.0 / (1.0 + vexp_double(-(RBN_ROW(3) * m + RBN_ROW(4))));
      a += RBN_ROW(0) * s;
      d += s * (RBN_ROW(1) * m + RBN_ROW(2));
    }
#undef RBN_ROW
    const vf scale = vnarrow(a);
    vstore_up_to(t->scale + c, scale, lanes);
    vstore_up_to(t->shift + c, vnarrow(d + (a - vwiden(scale)) * m), lanes);
  }
}

RBN_INLINE void affine_rows(const rbn_affine_task *t, int32_t kind) {
  for (size_t first = 0; first < t->rows; first += RBN_SUMS_BLOCK) {
    const size_t end = t->rows - first < RBN_SUMS_BLOCK ? t->rows : first + RBN_SUMS_BLOCK;
    float *sums = t->sums ? t->sums + first / RBN_SUMS_BLOCK * t->sums_stride : NULL;
    for (size_t c = 0; c < t->channels; c += RBN_VECTOR_LENGTH) {
      const size_t lanes = t->channels - c;
      const vf scale = vload_up_to(t->scale + c, lanes), shift = vload_up_to(t->shift + c, lanes);
      vf sum = {0};
      for (size_t r = first; r < end; r++) {
        const size_t i = r * t->row_stride + c;
        vf v = vfma(vload_up_to(t->input + i, lanes), scale, shift);
        if (t->residual) v += vload_up_to(t->residual + i, lanes);
        v = vactivate(kind, t->activation.low, t->activation.high, v);
        sum += v;
        vstore_up_to(t->output + i, v, lanes);
      }
      if (sums) vstore_up_to(sums + c, sum, lanes);
    }
  }
}

void RBN_NAME(rbn_affine)(const rbn_affine_task *t) {
  switch (t->activation.kind) {
    case RBN_CLAMP: affine_rows(t, RBN_CLAMP); break;
    case RBN_HARDSWISH: affine_rows(t, RBN_HARDSWISH); break;
    case RBN_SILU: affine_rows(t, RBN_SILU); break;
    default: affine_rows(t, t->activation.kind); break;
  }
}
