/* The names that a pickle may use, each with what it makes. Nothing is looked up anywhere else. */
#include <string.h>

#include "base/size.h"
#include "io/pickle.h"

typedef enum meaning {
    ORDERED_DICT,
    TENSOR,     /* storage, offset, size, stride ... */
    PARAMETER,  /* tensor, requires_grad, hooks      */
    SIZE,       /* a tuple                            */
    INERT_CALL, /* makes a value of no use here        */
    INERT,      /* is one                              */
    STORAGE     /* a type of storage                    */
} meaning;

typedef struct row {
    const char *module, *name;
    meaning what;
    un_st_dtype dtype;
} row;

static const row rows[] = {
    {"collections", "OrderedDict", ORDERED_DICT, UN_ST_U8},
    {"torch._utils", "_rebuild_tensor", TENSOR, UN_ST_U8},
    {"torch._utils", "_rebuild_tensor_v2", TENSOR, UN_ST_U8},
    {"torch._utils", "_rebuild_parameter", PARAMETER, UN_ST_U8},
    {"torch", "Size", SIZE, UN_ST_U8},
    {"torch", "device", INERT_CALL, UN_ST_U8},
    {"torch", "float32", INERT, UN_ST_U8},
    {"torch", "float64", INERT, UN_ST_U8},
    {"torch", "float16", INERT, UN_ST_U8},
    {"torch", "bfloat16", INERT, UN_ST_U8},
    {"torch", "int64", INERT, UN_ST_U8},
    {"torch", "int32", INERT, UN_ST_U8},
    {"torch", "uint8", INERT, UN_ST_U8},
    {"torch", "bool", INERT, UN_ST_U8},
    {"torch", "FloatStorage", STORAGE, UN_ST_F32},
    {"torch", "DoubleStorage", STORAGE, UN_ST_F64},
    {"torch", "HalfStorage", STORAGE, UN_ST_F16},
    {"torch", "BFloat16Storage", STORAGE, UN_ST_BF16},
    {"torch", "LongStorage", STORAGE, UN_ST_I64},
    {"torch", "IntStorage", STORAGE, UN_ST_I32},
    {"torch", "ShortStorage", STORAGE, UN_ST_I16},
    {"torch", "CharStorage", STORAGE, UN_ST_I8},
    {"torch", "ByteStorage", STORAGE, UN_ST_U8},
    {"torch", "BoolStorage", STORAGE, UN_ST_BOOL},
};

static int printable(const char *s)
{
    while (*s >= ' ' && *s < 127)
        s++;
    return !*s;
}

unet_status un_pickle_global(un_pickle_value **out, const un_pickle_place *p, const char *module, const char *name)
{
    for (size_t i = 0; i < UN_COUNT(rows); i++)
        if (!strcmp(rows[i].module, module) && !strcmp(rows[i].name, name)) {
            *out = un_pickle_new(p->arena, rows[i].what == INERT ? UN_PICKLE_INERT : UN_PICKLE_GLOBAL);
            if (!*out)
                return un_fail_nomem(p->err, sizeof **out);
            (*out)->u.i = (int64_t)i;
            return UNET_OK;
        }
    if (!printable(module) || !printable(name))
        return un_pickle_bad(p, UNET_E_UNSUPPORTED, "it names something with unprintable characters; refused");
    return un_pickle_bad(p, UNET_E_UNSUPPORTED,
        "it names %.80s.%.80s, which is refused: only names that hold weights are known, and nothing is ever run. Save "
        "the state dict alone: torch.save(model.state_dict(), FILE)",
        module, name);
}

static unet_status wrong(const un_pickle_place *p, const char *what)
{
    return un_pickle_bad(p, UNET_E_FORMAT, "%s", what);
}

static const un_pickle_value *at(const un_pickle_value *tuple, size_t i)
{
    return i < tuple->u.list.n ? tuple->u.list.item[i] : NULL;
}

static int int_at(const un_pickle_value *tuple, size_t i, int64_t *out)
{
    const un_pickle_value *v = at(tuple, i);

    if (!v || v->kind != UN_PICKLE_INT)
        return 0;
    *out = v->u.i;
    return 1;
}

/* Numbers from 0 of a tuple; -1: it is none. */
static int numbers(const un_pickle_value *tuple, int64_t *out)
{
    if (!tuple || tuple->kind != UN_PICKLE_TUPLE || tuple->u.list.n > UN_ST_RANK)
        return -1;
    for (size_t i = 0; i < tuple->u.list.n; i++)
        if (!int_at(tuple, i, &out[i]) || out[i] < 0)
            return -1;
    return (int)tuple->u.list.n;
}

/* The last element that a view reaches must lie in its storage. */
static int inside(const un_pickle_tensor *t)
{
    int64_t last = t->offset, step;

    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] == 0)
            return t->offset <= t->storage->count;
    for (int i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(t->dims[i] - 1, t->strides[i], &step) || __builtin_add_overflow(last, step, &last))
            return 0;
    return last < t->storage->count;
}

static unet_status make_tensor(un_pickle_value **out, const un_pickle_place *p, const un_pickle_value *args)
{
    const un_pickle_value *storage = at(args, 0);
    un_pickle_value *v = un_pickle_new(p->arena, UN_PICKLE_TENSOR);
    un_pickle_tensor *t = un_arena_alloc(p->arena, sizeof *t);

    if (!v || !t)
        return un_fail_nomem(p->err, sizeof *t);
    v->u.tensor = t;
    if (!storage || storage->kind != UN_PICKLE_STORAGE)
        return wrong(p, "a tensor without storage");
    t->storage = storage->u.storage;
    if (!int_at(args, 1, &t->offset) || t->offset < 0)
        return wrong(p, "the offset of a tensor is no whole number from 0");
    t->rank = numbers(at(args, 2), t->dims);
    if (t->rank < 0)
        return wrong(p, "the size of a tensor is no tuple of up to 8 whole numbers from 0");
    if (numbers(at(args, 3), t->strides) != t->rank)
        return wrong(p, "the strides of a tensor are not as many whole numbers from 0 as its dimensions");
    for (int i = 0; i < t->rank; i++)
        t->strides[i] = t->dims[i] > 1 ? t->strides[i] : 0; /* of no meaning, and of any size */
    if (!inside(t))
        return un_pickle_bad(
            p, UNET_E_FORMAT, "a tensor reaches behind its storage of %lld elements", (long long)t->storage->count);
    *out = v;
    return UNET_OK;
}

/* Empty, or from pairs, as Python 2 wrote it. */
static unet_status make_dict(un_pickle_value **out, const un_pickle_place *p, const un_pickle_value *args)
{
    const un_pickle_value *pairs = at(args, 0);
    un_pickle_value *v = un_pickle_new(p->arena, UN_PICKLE_DICT);

    if (!v)
        return un_fail_nomem(p->err, sizeof *v);
    if (args->u.list.n > 1 || (pairs && pairs->kind != UN_PICKLE_LIST && pairs->kind != UN_PICKLE_TUPLE))
        return wrong(p, "an OrderedDict of something other than a list of pairs");
    if (pairs && pairs->u.list.n > *p->budget)
        return un_pickle_bad(p, UNET_E_LIMIT, "lists are copied more often than a file of this size has reason to");
    *p->budget -= pairs ? pairs->u.list.n : 0;
    for (size_t i = 0; pairs && i < pairs->u.list.n; i++) {
        const un_pickle_value *pair = pairs->u.list.item[i];

        if ((pair->kind != UN_PICKLE_LIST && pair->kind != UN_PICKLE_TUPLE) || pair->u.list.n != 2)
            return wrong(p, "an OrderedDict of something other than pairs");
        if (!un_pickle_push(p->arena, v, pair->u.list.item[0]) || !un_pickle_push(p->arena, v, pair->u.list.item[1]))
            return un_fail_nomem(p->err, sizeof *v);
    }
    *out = v;
    return UNET_OK;
}

/* The first argument itself, when it is of that kind. */
static unet_status same(
    un_pickle_value **out, const un_pickle_place *p, const un_pickle_value *args, un_pickle_kind kind)
{
    if (!at(args, 0) || at(args, 0)->kind != kind)
        return wrong(p, kind == UN_PICKLE_TENSOR ? "a parameter of what is no tensor" : "a size that is no tuple");
    *out = args->u.list.item[0];
    return UNET_OK;
}

unet_status un_pickle_call(
    un_pickle_value **out, const un_pickle_place *p, const un_pickle_value *what, const un_pickle_value *args)
{
    if (what->kind != UN_PICKLE_GLOBAL)
        return wrong(p, "it calls what is no function");
    if (args->kind != UN_PICKLE_TUPLE)
        return wrong(p, "arguments that are no tuple");
    switch (rows[what->u.i].what) {
    case ORDERED_DICT:
        return make_dict(out, p, args);
    case TENSOR:
        return make_tensor(out, p, args);
    case PARAMETER:
        return same(out, p, args, UN_PICKLE_TENSOR);
    case SIZE:
        return same(out, p, args, UN_PICKLE_TUPLE);
    case INERT_CALL:
        *out = un_pickle_new(p->arena, UN_PICKLE_INERT);
        return *out ? UNET_OK : un_fail_nomem(p->err, sizeof **out);
    default:
        return un_pickle_bad(
            p, UNET_E_UNSUPPORTED, "it calls %s.%s, which is refused", rows[what->u.i].module, rows[what->u.i].name);
    }
}

/* ("storage", type, key, device, count [, view]), view: (key, offset, count) of elements in the storage, or None. */
unet_status un_pickle_persistent(un_pickle_value **out, const un_pickle_place *p, const un_pickle_value *id)
{
    const un_pickle_value *word, *type, *key, *view;
    un_pickle_value *v = un_pickle_new(p->arena, UN_PICKLE_STORAGE);
    un_pickle_storage *s = un_arena_alloc(p->arena, sizeof *s);
    int64_t part;

    if (!v || !s)
        return un_fail_nomem(p->err, sizeof *s);
    if (id->kind != UN_PICKLE_TUPLE)
        return wrong(p, "a persistent id that is no tuple");
    word = at(id, 0);
    type = at(id, 1);
    key = at(id, 2);
    view = at(id, 5);
    if (!word || word->kind != UN_PICKLE_TEXT || strcmp(word->u.text.s, "storage") || !type ||
        type->kind != UN_PICKLE_GLOBAL || rows[type->u.i].what != STORAGE || !key || key->kind != UN_PICKLE_TEXT ||
        !int_at(id, 4, &s->count) || s->count < 0)
        return wrong(p, "a persistent id that names no storage");
    s->key = key->u.text.s;
    s->dtype = rows[type->u.i].dtype;
    if (view && view->kind != UN_PICKLE_NONE) {
        if (view->kind != UN_PICKLE_TUPLE || !int_at(view, 1, &s->first) || !int_at(view, 2, &part) || s->first < 0 ||
            part < 0 || s->first > s->count || part > s->count - s->first)
            return wrong(p, "a view that reaches behind its storage");
        s->count = part;
    }
    v->u.storage = s;
    *out = v;
    return un_pickle_push(p->arena, p->storages, v) ? UNET_OK : un_fail_nomem(p->err, sizeof *v);
}
