/* Status codes and the error detail that every fallible function of unet can fill. C99 and C++11 clean. */
#ifndef UNET_STATUS_H
#define UNET_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define UNET_API __attribute__((visibility("default")))
#define UNET_NODISCARD __attribute__((warn_unused_result))
#else
#define UNET_API
#define UNET_NODISCARD
#endif

/* The exit code of the command `unet` for a failure is listed with each status. */
typedef enum unet_status {
    UNET_OK = 0,
    UNET_E_ARG,         /* a caller's argument is wrong                          (exit 2)  */
    UNET_E_CONFIG,      /* a configuration key or value is wrong                 (exit 2)  */
    UNET_E_NOT_FOUND,   /* a file or folder does not exist                       (exit 3)  */
    UNET_E_IO,          /* reading or writing failed; no rights; disk full       (exit 4)  */
    UNET_E_FORMAT,      /* the bytes of a file are broken                        (exit 5)  */
    UNET_E_UNSUPPORTED, /* well formed, but this build or version cannot read it (exit 6)  */
    UNET_E_VERSION,     /* written by a newer unet                               (exit 6)  */
    UNET_E_DATA,        /* pictures and masks do not fit each other              (exit 7)  */
    UNET_E_LIMIT,       /* does not fit into the memory, size or time allowed    (exit 8)  */
    UNET_E_NOMEM,       /* the allocator returned NULL                           (exit 8)  */
    UNET_E_NUMERIC,     /* loss or weights became NaN or infinite                (exit 9)  */
    UNET_E_PARTIAL,     /* some inputs failed, the others were done              (exit 10) */
    UNET_E_CANCELLED,   /* the caller asked to stop                              (exit 130)*/
    UNET_E_INTERNAL,    /* a bug in unet                                         (exit 70) */
    UNET_STATUS_COUNT
} unet_status;

/* Filled on failure when the caller passes one (always the last argument; NULL is fine). Plain data, no ownership. */
typedef struct unet_error {
    unet_status status;
    int line, column;   /* 1-based position in a text file; 0: none        */
    int64_t offset;     /* byte offset in a binary file; -1: none          */
    char where[256];    /* file, node or key; empty: none                  */
    char message[768];  /* what is wrong and what to do; always terminated */
} unet_error;

/* A short constant name such as "format"; never NULL. */
UNET_API const char *unet_status_name(unet_status st);

#ifdef __cplusplus
}
#endif
#endif
