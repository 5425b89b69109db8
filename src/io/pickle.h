/* The pickles that PyTorch writes, read without running anything: a machine that knows the opcodes which plain data
 * need and a short list of names (torch._utils._rebuild_tensor_v2, collections.OrderedDict, storages ...), each of
 * which is built in here. Every other opcode or name is refused with its place. Work and memory are linear in the bytes
 * read; nothing recurses. */
#ifndef UN_IO_PICKLE_H
#define UN_IO_PICKLE_H

#include "base/error.h"
#include "io/weights.h"

enum { UN_PICKLE_BYTES_MAX = 64 << 20 };

typedef enum un_pickle_kind {
    UN_PICKLE_NONE,
    UN_PICKLE_BOOL,
    UN_PICKLE_INT,
    UN_PICKLE_FLOAT,
    UN_PICKLE_TEXT,
    UN_PICKLE_BYTES, /* also whole numbers of more than 64 bits */
    UN_PICKLE_TUPLE,
    UN_PICKLE_LIST,
    UN_PICKLE_DICT,    /* item: key, value, key, value ... */
    UN_PICKLE_GLOBAL,  /* one of the names of pickle_calls.c: i */
    UN_PICKLE_STORAGE, /* storage */
    UN_PICKLE_TENSOR,  /* tensor */
    UN_PICKLE_INERT    /* a value that is of no use here, such as a device */
} un_pickle_kind;

typedef struct un_pickle_value un_pickle_value;

/* What a persistent id names: elements of a type under a key; first: where a view begins in it. */
typedef struct un_pickle_storage {
    const char *key;
    un_st_dtype dtype;
    int64_t count, first;
} un_pickle_storage;

typedef struct un_pickle_tensor {
    const un_pickle_storage *storage;
    int64_t offset; /* elements */
    int rank;
    int64_t dims[UN_ST_RANK], strides[UN_ST_RANK];
} un_pickle_tensor;

struct un_pickle_value {
    un_pickle_kind kind;
    union {
        int64_t i; /* BOOL, INT, GLOBAL */
        double f;
        struct {
            const char *s; /* TEXT: terminated */
            size_t n;
        } text;
        struct {
            un_pickle_value **item;
            size_t n, cap;
        } list;
        un_pickle_storage *storage;
        un_pickle_tensor *tensor;
    } u;
};

/* Where a pickle lies: bytes [at, size) of data; messages name the file and count from `base`. storages: a list of all
 * that persistent ids named, whether they can be reached or not. */
typedef struct un_pickle_source {
    const unsigned char *data;
    size_t at, size;
    const char *name;
    int64_t base;
    const un_pickle_value *storages;
} un_pickle_source;

/* Reads one pickle and leaves src->at behind it. Values live in the arena; they may share parts and hold themselves. */
UN_NODISCARD unet_status un_pickle_read(un_pickle_value **out, un_arena *arena, un_pickle_source *src, unet_error *err);

/* The value of a dict under a key of text; NULL: none. */
const un_pickle_value *un_pickle_get(const un_pickle_value *dict, const char *key);

/* ---- between pickle.c and pickle_calls.c ---- */

typedef struct un_pickle_place {
    un_arena *arena;
    const char *name;
    int64_t offset; /* of the opcode */
    unet_error *err;
    un_pickle_value *storages;
    size_t *budget; /* items that may still be copied */
} un_pickle_place;

unet_status un_pickle_bad(const un_pickle_place *p, unet_status st, const char *fmt, ...) UN_PRINTF(3, 4);
/* NULL: no memory. */
un_pickle_value *un_pickle_new(un_arena *arena, un_pickle_kind kind);
int un_pickle_push(un_arena *arena, un_pickle_value *list, un_pickle_value *item); /* 0: no memory */

UN_NODISCARD unet_status un_pickle_global(
    un_pickle_value **out, const un_pickle_place *p, const char *module, const char *name);
UN_NODISCARD unet_status un_pickle_call(
    un_pickle_value **out, const un_pickle_place *p, const un_pickle_value *what, const un_pickle_value *args);
UN_NODISCARD unet_status un_pickle_persistent(
    un_pickle_value **out, const un_pickle_place *p, const un_pickle_value *id);

#endif
