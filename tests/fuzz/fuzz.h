/* A fuzz target: takes any bytes, must neither crash nor hang nor leak. Returns 0. */
#ifndef UN_TESTS_FUZZ_H
#define UN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int un_fuzz_one(const uint8_t *data, size_t size);

#endif
