// Multiply-adds that read no memory: what the processor can do at most. Enough independent chains to hide the latency.

float RBN_NAME(rbn_peak)(size_t iterations, float factor, float addend) {
  vf acc[RBN_PEAK_CHAINS];
  const vf a = vsplat(factor), b = vsplat(addend);
  RBN_UNROLL for (size_t i = 0; i < RBN_PEAK_CHAINS; i++) acc[i] = vsplat((float)i);
  for (size_t n = 0; n < iterations; n++) {
    RBN_UNROLL for (size_t i = 0; i < RBN_PEAK_CHAINS; i++) acc[i] = vfma(acc[i], a, b);
  }
  float sum = 0;
  RBN_UNROLL for (size_t i = 0; i < RBN_PEAK_CHAINS; i++) sum += acc[i][0];
  return sum;
}
