#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "rbn_kernels.h"

#if defined(__linux__)
#include <sched.h>

int rbn_affinity_count(void) {
  cpu_set_t mask;
  return sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : 0;
}
#else
int rbn_affinity_count(void) { return 0; }
#endif

static _Thread_local int in_parallel_loop = 0;

int rbn_in_parallel_loop(void) { return in_parallel_loop; }

int rbn_set_in_parallel_loop(int value) {
  const int former = in_parallel_loop;
  in_parallel_loop = value;
  return former;
}

// Swift passes a closure as its function and its context, and the context to the function in a register of its own.
typedef void __attribute__((swiftcall)) (*loop_function)(intptr_t, intptr_t, __attribute__((swift_context)) void *);

void rbn_take_closure_apart(void *function, void *context, rbn_loop_body *parts) {
  parts->function = function;
  parts->context = context;
}

void rbn_call_loop_body(rbn_loop_body body, intptr_t index, intptr_t worker) {
  ((loop_function)body.function)(index, worker, body.context);
}

#if __has_feature(thread_sanitizer)
void __tsan_release(void *);
void __tsan_acquire(void *);

void rbn_note_release(void *object) { __tsan_release(object); }
void rbn_note_acquire(void *object) { __tsan_acquire(object); }
#else
void rbn_note_release(void *object) { (void)object; }
void rbn_note_acquire(void *object) { (void)object; }
#endif

void rbn_spin_hint(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#if defined(__linux__)

int rbn_current_processor(void) { return sched_getcpu(); }

void rbn_leave_processor(int processor) {
  cpu_set_t allowed, others;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  if (processor < 0 || processor >= CPU_SETSIZE || CPU_COUNT(&allowed) < 2) return;
  others = allowed;
  CPU_CLR(processor, &others);
  // The first call moves the thread, the second lets it move as before.
  if (sched_setaffinity(0, sizeof others, &others) == 0) sched_setaffinity(0, sizeof allowed, &allowed);
}

#else

int rbn_current_processor(void) { return -1; }
void rbn_leave_processor(int processor) { (void)processor; }

#endif
