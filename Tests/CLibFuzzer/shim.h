#include <stddef.h>
#include <stdint.h>

/// libFuzzer's own mutation, for custom mutators: changes at most `max_size` bytes in place and returns their number.
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
