// One-dimensional Winograd transforms of F(2, 3) and F(4, 3) over the points 0, ±1, (±2,) ∞: Lavin and Gray, *Fast
// Algorithms for Convolutional Neural Networks*, 2015, section 4.
#pragma once

// Bᵀ d for F(2, 3): 4 inputs to 4 elements.
RBN_INLINE void winograd_input_2(const vf *d, vf *v) {
  v[0] = d[0] - d[2];
  v[1] = d[1] + d[2];
  v[2] = d[2] - d[1];
  v[3] = d[1] - d[3];
}

// Aᵀ m for F(2, 3): 4 elements to 2 outputs.
RBN_INLINE void winograd_output_2(const vf *m, vf *y) {
  y[0] = m[0] + m[1] + m[2];
  y[1] = m[1] - m[2] - m[3];
}

// Bᵀ d for F(4, 3): 6 inputs to 6 elements.
RBN_INLINE void winograd_input_4(const vf *d, vf *v) {
  const vf four = vsplat(4), minus_four = vsplat(-4), minus_five = vsplat(-5), two = vsplat(2), minus_two = vsplat(-2);
  const vf even = vfma(d[2], minus_four, d[4]), odd = vfma(d[1], minus_four, d[3]);
  const vf even2 = d[4] - d[2], odd2 = d[3] - d[1];
  v[0] = vfma(d[0], four, vfma(d[2], minus_five, d[4]));
  v[1] = even + odd;
  v[2] = even - odd;
  v[3] = vfma(odd2, two, even2);
  v[4] = vfma(odd2, minus_two, even2);
  v[5] = vfma(d[1], four, vfma(d[3], minus_five, d[5]));
}

// Aᵀ m for F(4, 3): 6 elements to 4 outputs.
RBN_INLINE void winograd_output_4(const vf *m, vf *y) {
  const vf two = vsplat(2), four = vsplat(4), eight = vsplat(8);
  const vf sum = m[1] + m[2], difference = m[1] - m[2], sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  y[0] = m[0] + sum + sum2;
  y[1] = vfma(difference2, two, difference);
  y[2] = vfma(sum2, four, sum);
  y[3] = vfma(difference2, eight, difference) + m[5];
}
