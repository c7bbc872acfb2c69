// The elementary functions on a vector.
#pragma once

// e^x within 1.5 ulp, subnormal results included; e^-inf = 0, e^+inf = inf, NaN stays.
//
// x = n ln 2 + r with |r| <= ln 2 / 2; e^r = 1 + r + r² P(r), P of degree 5 (the Cephes minimax coefficients); 2^n is
// applied in two factors, because n reaches from -150 to 128 and one factor's exponent does not.
RBN_INLINE vf vexp(vf x) {
  x = vmax(vsplat(-105.0f), vmin(vsplat(89.0f), x));
  // Adding 1.5 · 2^23 rounds to an integer, which is then in the low bits of the significand.
  const vf magic = vsplat(12582912.0f);
  const vf rounded = vfma(x, vsplat(1.44269504088896341f), magic);
  const vf n = rounded - magic;
  // ln 2 in two parts, the first short enough for its product with n to be exact.
  const vf r = vfma(n, vsplat(2.12194440e-4f), vfma(n, vsplat(-0.693359375f), x));
  vf p = vsplat(1.9875691500e-4f);
  p = vfma(p, r, vsplat(1.3981999507e-3f));
  p = vfma(p, r, vsplat(8.3334519073e-3f));
  p = vfma(p, r, vsplat(4.1665795894e-2f));
  p = vfma(p, r, vsplat(1.6666665459e-1f));
  p = vfma(p, r, vsplat(5.0000001201e-1f));
  p = vfma(p * r, r, r) + 1.0f;
  const vi exponent = (vi)rounded - 0x4B400000;
  const vi half = exponent >> 1;
  const vf first = (vf)((half + 127) << 23), second = (vf)((exponent - half + 127) << 23);
  return vselect(x == x, p * first * second, x);
}

RBN_INLINE vf vsigmoid(vf x) { return 1.0f / (1.0f + vexp(-x)); }

RBN_INLINE vf vabs(vf x) { return (vf)((vi)x & 0x7FFFFFFF); }
RBN_INLINE vf vcopysign(vf x, vf sign) { return (vf)((vi)x | ((vi)sign & (vi)vsplat_int(INT32_MIN))); }

// tanh |x| = 1 - 2 / (e^(2|x|) + 1), and the odd Cephes polynomial below 0.625, where that cancels.
RBN_INLINE vf vtanh(vf x) {
  const vf a = vabs(x), z = x * x;
  const vf large = vcopysign(1.0f - 2.0f / (vexp(a + a) + 1.0f), x);
  vf p = vsplat(-5.70498872745e-3f);
  p = vfma(p, z, vsplat(2.06390887954e-2f));
  p = vfma(p, z, vsplat(-5.37397155531e-2f));
  p = vfma(p, z, vsplat(1.33314422036e-1f));
  p = vfma(p, z, vsplat(-3.33332819422e-1f));
  return vselect(a < vsplat(0.625f), vfma(p * z, x, x), vselect(x == x, large, x));
}

// e^x - 1: the Taylor series where the subtraction would cancel, for x down to -inf; not for large x.
RBN_INLINE vf vexpm1(vf x) {
  vf p = vsplat(1.98412698e-4f);
  p = vfma(p, x, vsplat(1.38888889e-3f));
  p = vfma(p, x, vsplat(8.33333333e-3f));
  p = vfma(p, x, vsplat(4.16666667e-2f));
  p = vfma(p, x, vsplat(1.66666667e-1f));
  p = vfma(p, x, vsplat(0.5f));
  return vselect(vabs(x) < vsplat(0.3f), vfma(p * x, x, x), vexp(x) - 1.0f);
}

// x tanh(log(1 + e^x)) = x n / (n + 2) with n = e^x (e^x + 2); x itself where e^x is so large that n would overflow.
RBN_INLINE vf vmish(vf x) {
  const vf e = vexp(vmin(vsplat(20.0f), x)), n = e * (e + 2.0f);
  return vselect(x > vsplat(20.0f), x, x * (n / (n + 2.0f)));
}

// The error function within 1e-7 absolute. Below 1 the Cephes odd polynomial; above, 1 - e^(-x²) Q(1/(1 + x/2)) with
// the Chebyshev fit of Numerical Recipes' erfc (section 6.2), whose relative error is 1.2e-7 of erfc itself.
RBN_INLINE vf verf(vf x) {
  const vf a = vabs(x), z = x * x;
  vf p = vsplat(7.853861353153693e-5f);
  p = vfma(p, z, vsplat(-8.010193625184903e-4f));
  p = vfma(p, z, vsplat(5.188327685732524e-3f));
  p = vfma(p, z, vsplat(-2.685381193529856e-2f));
  p = vfma(p, z, vsplat(1.128358514861418e-1f));
  p = vfma(p, z, vsplat(-3.761262582423300e-1f));
  p = vfma(p, z, vsplat(1.128379165726710f));
  const vf t = 1.0f / vfma(a, vsplat(0.5f), vsplat(1.0f));
  vf q = vsplat(0.17087277f);
  q = vfma(q, t, vsplat(-0.82215223f));
  q = vfma(q, t, vsplat(1.48851587f));
  q = vfma(q, t, vsplat(-1.13520398f));
  q = vfma(q, t, vsplat(0.27886807f));
  q = vfma(q, t, vsplat(-0.18628806f));
  q = vfma(q, t, vsplat(0.09678418f));
  q = vfma(q, t, vsplat(0.37409196f));
  q = vfma(q, t, vsplat(1.00002368f));
  q = vfma(q, t, vsplat(-1.26551223f));
  const vf large = vcopysign(1.0f - t * vexp(q - z), x);
  return vselect(a < vsplat(1.0f), p * x, vselect(x == x, large, x));
}

RBN_INLINE vf vclamp(vf x, float low, float high) { return vmin(vsplat(high), vmax(vsplat(low), x)); }

// One elementwise function; the switch is hoisted out of loops by inlining with a constant `kind`.
RBN_INLINE vf vactivate(int32_t kind, float low, float high, vf x) {
  switch (kind) {
    case RBN_CLAMP: return vclamp(x, low, high);
    case RBN_HARDSWISH: return x * vclamp(x + 3.0f, 0, 6) / 6.0f;
    case RBN_HARDSIGMOID: return vclamp(x + 3.0f, 0, 6) / 6.0f;
    case RBN_SILU: return x / (1.0f + vexp(-x));
    case RBN_SIGMOID: return vsigmoid(x);
    case RBN_GELU: return 0.5f * x * (1.0f + verf(x * 0.70710678118654752f));
    case RBN_GELU_TANH:
      return 0.5f * x * (1.0f + vtanh(0.79788456080286536f * vfma(x * x * x, vsplat(0.044715f), x)));
    case RBN_EXP: return vexp(x);
    case RBN_TANH: return vtanh(x);
    case RBN_NEG: return -x;
    case RBN_ABS: return vabs(x);
    case RBN_SQRT: return vsqrt(x);
    case RBN_RSQRT: return 1.0f / vsqrt(x);
    case RBN_RECIPROCAL: return 1.0f / x;
    case RBN_LEAKY_RELU: return vselect(x > vsplat(0), x, low * x);
    case RBN_ELU: return vselect(x > vsplat(0), x, low * vexpm1(x));
    case RBN_MISH: return vmish(x);
    default: return x;
  }
}
