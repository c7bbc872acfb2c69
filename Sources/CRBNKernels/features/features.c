#include "rbn_kernels.h"

// __builtin_cpu_supports looks at XCR0 as well: it is false when the operating system does not save the registers.
int rbn_supports_avx2(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return 0;
#endif
}

int rbn_supports_avx512(void) {
#if defined(__x86_64__)
  return rbn_supports_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
#else
  return 0;
#endif
}
