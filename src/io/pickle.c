#include "io/pickle.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"

/* Longest names of modules and their members. */
enum { NAME_MAX_BYTES = 128, PROTOCOL_MOST = 5, ITEMS_MOST = 1 << 24 };

typedef struct machine {
    un_pickle_place p;
    un_pickle_source *src;
    un_pickle_value *stack, *memo, *marks; /* lists; marks: INT values of stack heights */
    un_pickle_value *result;
} machine;

unet_status un_pickle_bad(const un_pickle_place *p, unet_status st, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return un_fail_offset(p->err, st, p->name, p->offset, "pickle: %s", text);
}

static unet_status no_memory(const machine *m)
{
    return un_fail_nomem(m->p.err, sizeof(un_pickle_value));
}

static unet_status broken(const machine *m, const char *what)
{
    return un_pickle_bad(&m->p, UNET_E_FORMAT, "%s", what);
}

un_pickle_value *un_pickle_new(un_arena *arena, un_pickle_kind kind)
{
    un_pickle_value *v = un_arena_alloc(arena, sizeof *v);

    if (v)
        v->kind = kind;
    return v;
}

int un_pickle_push(un_arena *arena, un_pickle_value *list, un_pickle_value *item)
{
    if (list->u.list.n == list->u.list.cap) {
        const size_t cap = list->u.list.cap ? 2 * list->u.list.cap : 4;
        un_pickle_value **more = un_arena_alloc(arena, cap * sizeof(un_pickle_value *));

        if (!more)
            return 0;
        if (list->u.list.n)
            memcpy(more, list->u.list.item, list->u.list.n * sizeof *more);
        list->u.list.item = more;
        list->u.list.cap = cap;
    }
    list->u.list.item[list->u.list.n++] = item;
    return 1;
}

const un_pickle_value *un_pickle_get(const un_pickle_value *dict, const char *key)
{
    for (size_t i = 0; dict && dict->kind == UN_PICKLE_DICT && i + 1 < dict->u.list.n; i += 2) {
        const un_pickle_value *k = dict->u.list.item[i];

        if (k->kind == UN_PICKLE_TEXT && !strcmp(k->u.text.s, key))
            return dict->u.list.item[i + 1];
    }
    return NULL;
}

/* ---- bytes ---- */

static unet_status take(machine *m, size_t n, const unsigned char **p)
{
    if (n > m->src->size - m->src->at)
        return broken(m, "it ends in the middle of a value");
    *p = m->src->data + m->src->at;
    m->src->at += n;
    return UNET_OK;
}

/* A little-endian number of up to 8 bytes; the sign is left to the caller. */
static unet_status take_number(machine *m, int bytes, uint64_t *v)
{
    const unsigned char *p = NULL;
    unet_status st = take(m, (size_t)bytes, &p);

    *v = 0;
    for (int i = bytes - 1; i >= 0 && !st; i--)
        *v = *v << 8 | p[i];
    return st;
}

/* ---- stack ---- */

static unet_status push(machine *m, un_pickle_value *v)
{
    return v && un_pickle_push(m->p.arena, m->stack, v) ? UNET_OK : no_memory(m);
}

static size_t floor_of(const machine *m)
{
    return m->marks->u.list.n ? (size_t)m->marks->u.list.item[m->marks->u.list.n - 1]->u.i : 0;
}

/* The value on top, which stays; NULL: there is none above the mark. */
static un_pickle_value *top(const machine *m)
{
    return m->stack->u.list.n > floor_of(m) ? m->stack->u.list.item[m->stack->u.list.n - 1] : NULL;
}

static unet_status pop(machine *m, un_pickle_value **v)
{
    *v = top(m);
    if (!*v)
        return broken(m, "it takes a value from an empty stack");
    m->stack->u.list.n--;
    return UNET_OK;
}

static unet_status push_int(machine *m, un_pickle_kind kind, int64_t i)
{
    un_pickle_value *v = un_pickle_new(m->p.arena, kind);

    if (v)
        v->u.i = i;
    return push(m, v);
}

/* ---- opcodes; arg: what the table says ---- */

static unet_status op_proto(machine *m, int arg)
{
    uint64_t version;
    unet_status st = take_number(m, 1, &version);

    (void)arg;
    if (!st && version > PROTOCOL_MOST)
        st = un_pickle_bad(&m->p, UNET_E_UNSUPPORTED, "protocol %d; at most %d is known", (int)version, PROTOCOL_MOST);
    return st;
}

static unet_status op_frame(machine *m, int arg)
{
    uint64_t bytes;
    unet_status st = take_number(m, 8, &bytes);

    (void)arg;
    if (!st && bytes > m->src->size - m->src->at)
        st = broken(m, "a frame reaches behind the end");
    return st;
}

static unet_status op_mark(machine *m, int arg)
{
    un_pickle_value *v = un_pickle_new(m->p.arena, UN_PICKLE_INT);

    (void)arg;
    if (!v)
        return no_memory(m);
    v->u.i = (int64_t)m->stack->u.list.n;
    return un_pickle_push(m->p.arena, m->marks, v) ? UNET_OK : no_memory(m);
}

/* All values above the last mark, as items of a new value. */
static unet_status pop_mark(machine *m, un_pickle_kind kind, un_pickle_value **out)
{
    const size_t from = floor_of(m);
    un_pickle_value *v;

    if (!m->marks->u.list.n)
        return broken(m, "it has no mark to go back to");
    v = un_pickle_new(m->p.arena, kind);
    for (size_t i = from; v && i < m->stack->u.list.n; i++)
        if (!un_pickle_push(m->p.arena, v, m->stack->u.list.item[i]))
            v = NULL;
    if (!v)
        return no_memory(m);
    m->stack->u.list.n = from;
    m->marks->u.list.n--;
    *out = v;
    return UNET_OK;
}

static unet_status op_pop(machine *m, int arg)
{
    un_pickle_value *v;

    if (arg || (!top(m) && m->marks->u.list.n))
        return pop_mark(m, UN_PICKLE_TUPLE, &v);
    return pop(m, &v);
}

static unet_status op_dup(machine *m, int arg)
{
    (void)arg;
    return top(m) ? push(m, top(m)) : broken(m, "it doubles a value that is not there");
}

static unet_status op_constant(machine *m, int arg)
{
    return push_int(m, arg < 0 ? UN_PICKLE_NONE : UN_PICKLE_BOOL, arg > 0);
}

/* arg: bytes; negative: signed. */
static unet_status op_int(machine *m, int arg)
{
    const int bytes = arg < 0 ? -arg : arg;
    uint64_t v;
    unet_status st = take_number(m, bytes, &v);

    return st ? st : push_int(m, UN_PICKLE_INT, arg < 0 ? (int64_t)(int32_t)(uint32_t)v : (int64_t)v);
}

/* arg: bytes of the length. */
static unet_status op_long(machine *m, int arg)
{
    const unsigned char *p = NULL;
    uint64_t n, v = 0;
    un_pickle_value *wide;
    unet_status st = take_number(m, arg, &n);

    if (!st)
        st = take(m, (size_t)n, &p);
    if (st)
        return st;
    if (n > 8) {
        wide = un_pickle_new(m->p.arena, UN_PICKLE_BYTES);
        if (wide) {
            wide->u.text.s = (const char *)p;
            wide->u.text.n = (size_t)n;
        }
        return push(m, wide);
    }
    for (int i = (int)n - 1; i >= 0; i--)
        v = v << 8 | p[i];
    if (n && n < 8 && p[n - 1] & 0x80)
        v |= ~(uint64_t)0 << (8 * n);
    return push_int(m, UN_PICKLE_INT, (int64_t)v);
}

static unet_status op_float(machine *m, int arg)
{
    const unsigned char *p = NULL;
    un_pickle_value *v;
    uint64_t bits = 0;
    unet_status st = take(m, 8, &p);

    (void)arg;
    if (st)
        return st;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    v = un_pickle_new(m->p.arena, UN_PICKLE_FLOAT);
    if (v)
        memcpy(&v->u.f, &bits, sizeof bits);
    return push(m, v);
}

static unet_status push_text(machine *m, un_pickle_kind kind, const unsigned char *p, size_t n)
{
    un_pickle_value *v = un_pickle_new(m->p.arena, kind);
    char *copy;

    if (!v)
        return no_memory(m);
    v->u.text.n = n;
    if (kind == UN_PICKLE_BYTES) {
        v->u.text.s = (const char *)p;
        return push(m, v);
    }
    if (memchr(p, 0, n))
        return broken(m, "a text holds a zero byte");
    copy = un_arena_alloc(m->p.arena, n + 1);
    if (!copy)
        return no_memory(m);
    memcpy(copy, p, n);
    v->u.text.s = copy;
    return push(m, v);
}

/* arg: bytes of the length; negative: the value is bytes, not text. */
static unet_status op_text(machine *m, int arg)
{
    const unsigned char *p = NULL;
    uint64_t n;
    unet_status st = take_number(m, arg < 0 ? -arg : arg, &n);

    if (!st && n > m->src->size)
        st = broken(m, "a text is longer than the file");
    if (!st)
        st = take(m, (size_t)n, &p);
    return st ? st : push_text(m, arg < 0 ? UN_PICKLE_BYTES : UN_PICKLE_TEXT, p, (size_t)n);
}

static unet_status op_empty(machine *m, int arg)
{
    return push(m, un_pickle_new(m->p.arena, (un_pickle_kind)arg));
}

static unet_status op_tuple(machine *m, int arg)
{
    un_pickle_value *v;
    unet_status st = pop_mark(m, UN_PICKLE_TUPLE, &v);

    (void)arg;
    return st ? st : push(m, v);
}

static unet_status op_tuple_of(machine *m, int arg)
{
    const size_t n = m->stack->u.list.n;
    un_pickle_value *v;

    if (n - floor_of(m) < (size_t)arg)
        return broken(m, "a tuple of more values than there are");
    v = un_pickle_new(m->p.arena, UN_PICKLE_TUPLE);
    for (size_t i = n - (size_t)arg; v && i < n; i++)
        if (!un_pickle_push(m->p.arena, v, m->stack->u.list.item[i]))
            v = NULL;
    m->stack->u.list.n = n - (size_t)arg;
    return push(m, v);
}

/* Items go into the value below them. step: 2 for a dict. */
static unet_status append_all(machine *m, const un_pickle_value *items, un_pickle_kind kind, size_t step)
{
    un_pickle_value *to = top(m);

    if (!to || to->kind != kind || items->u.list.n % step)
        return broken(
            m, kind == UN_PICKLE_DICT ? "entries are added to what is no dict" : "items are added to no list");
    if (to->u.list.n + items->u.list.n > ITEMS_MOST)
        return un_pickle_bad(&m->p, UNET_E_LIMIT, "a list of more than %d items", ITEMS_MOST);
    for (size_t i = 0; i < items->u.list.n; i++)
        if (!un_pickle_push(m->p.arena, to, items->u.list.item[i]))
            return no_memory(m);
    return UNET_OK;
}

static unet_status op_append(machine *m, int arg)
{
    un_pickle_value *items;
    unet_status st = op_tuple_of(m, arg);

    if (!st)
        st = pop(m, &items);
    return st ? st : append_all(m, items, arg == 2 ? UN_PICKLE_DICT : UN_PICKLE_LIST, (size_t)arg);
}

static unet_status op_appends(machine *m, int arg)
{
    un_pickle_value *items;
    unet_status st = pop_mark(m, UN_PICKLE_TUPLE, &items);

    return st ? st : append_all(m, items, arg == 2 ? UN_PICKLE_DICT : UN_PICKLE_LIST, (size_t)arg);
}

/* arg: bytes of the number; 0: the next free one. */
static unet_status op_put(machine *m, int arg)
{
    uint64_t i = m->memo->u.list.n;
    unet_status st = arg ? take_number(m, arg, &i) : UNET_OK;

    if (st)
        return st;
    if (!top(m))
        return broken(m, "it remembers a value that is not there");
    if (i < m->memo->u.list.n)
        m->memo->u.list.item[i] = top(m);
    else if (i > m->src->at) /* pickles count upwards, some from 1: the memo never outgrows the bytes read */
        return broken(m, "the number of a remembered value is far beyond those before");
    while (i >= m->memo->u.list.n)
        if (!un_pickle_push(m->p.arena, m->memo, m->memo->u.list.n == i ? top(m) : NULL))
            return no_memory(m);
    return UNET_OK;
}

static unet_status op_get(machine *m, int arg)
{
    uint64_t i;
    unet_status st = take_number(m, arg, &i);

    if (st)
        return st;
    return i < m->memo->u.list.n && m->memo->u.list.item[i]
               ? push(m, m->memo->u.list.item[i])
               : broken(m, "it asks for a value that was never remembered");
}

static unet_status take_line(machine *m, char *line)
{
    const unsigned char *from = m->src->data + m->src->at,
                        *end = memchr(from, '\n', UN_MIN(m->src->size - m->src->at, (size_t)NAME_MAX_BYTES));

    if (!end)
        return broken(m, "a name without end");
    memcpy(line, from, (size_t)(end - from));
    line[end - from] = 0;
    m->src->at += (size_t)(end - from) + 1;
    return UNET_OK;
}

static unet_status push_global(machine *m, const char *module, const char *name)
{
    un_pickle_value *v;
    unet_status st = un_pickle_global(&v, &m->p, module, name);

    return st ? st : push(m, v);
}

static unet_status op_global(machine *m, int arg)
{
    char module[NAME_MAX_BYTES], name[NAME_MAX_BYTES];
    unet_status st = take_line(m, module);

    (void)arg;
    if (!st)
        st = take_line(m, name);
    return st ? st : push_global(m, module, name);
}

static unet_status op_stack_global(machine *m, int arg)
{
    un_pickle_value *module, *name;
    unet_status st = pop(m, &name);

    (void)arg;
    if (!st)
        st = pop(m, &module);
    if (!st && (module->kind != UN_PICKLE_TEXT || name->kind != UN_PICKLE_TEXT))
        st = broken(m, "a name that is no text");
    return st ? st : push_global(m, module->u.text.s, name->u.text.s);
}

static unet_status op_reduce(machine *m, int arg)
{
    un_pickle_value *what, *args, *v;
    unet_status st = pop(m, &args);

    (void)arg;
    if (!st)
        st = pop(m, &what);
    if (!st)
        st = un_pickle_call(&v, &m->p, what, args);
    return st ? st : push(m, v);
}

/* Attributes of a dict (OrderedDict._metadata) are of no use here. */
static unet_status op_build(machine *m, int arg)
{
    un_pickle_value *state;
    unet_status st = pop(m, &state);

    (void)arg;
    if (!st && (!top(m) || top(m)->kind != UN_PICKLE_DICT))
        st = broken(m, "attributes are set on what is no dict");
    return st;
}

static unet_status op_persistent(machine *m, int arg)
{
    un_pickle_value *id, *v;
    unet_status st = pop(m, &id);

    (void)arg;
    if (!st)
        st = un_pickle_persistent(&v, &m->p, id);
    return st ? st : push(m, v);
}

static unet_status op_stop(machine *m, int arg)
{
    (void)arg;
    return m->marks->u.list.n ? broken(m, "it ends with a mark open") : pop(m, &m->result);
}

typedef struct opcode {
    unsigned char code;
    const char *name;
    unet_status (*run)(machine *m, int arg); /* NULL: refused */
    int arg;
} opcode;

static const opcode opcodes[] = {
    {0x80, "PROTO", op_proto, 0},
    {0x95, "FRAME", op_frame, 0},
    {'(', "MARK", op_mark, 0},
    {'.', "STOP", op_stop, 0},
    {'0', "POP", op_pop, 0},
    {'1', "POP_MARK", op_pop, 1},
    {'2', "DUP", op_dup, 0},
    {'N', "NONE", op_constant, -1},
    {0x88, "NEWTRUE", op_constant, 1},
    {0x89, "NEWFALSE", op_constant, 0},
    {'J', "BININT", op_int, -4},
    {'K', "BININT1", op_int, 1},
    {'M', "BININT2", op_int, 2},
    {0x8a, "LONG1", op_long, 1},
    {0x8b, "LONG4", op_long, 4},
    {'G', "BINFLOAT", op_float, 0},
    {'X', "BINUNICODE", op_text, 4},
    {0x8c, "SHORT_BINUNICODE", op_text, 1},
    {0x8d, "BINUNICODE8", op_text, 8},
    {'T', "BINSTRING", op_text, 4},
    {'U', "SHORT_BINSTRING", op_text, 1},
    {'B', "BINBYTES", op_text, -4},
    {'C', "SHORT_BINBYTES", op_text, -1},
    {0x8e, "BINBYTES8", op_text, -8},
    {')', "EMPTY_TUPLE", op_empty, UN_PICKLE_TUPLE},
    {'t', "TUPLE", op_tuple, 0},
    {0x85, "TUPLE1", op_tuple_of, 1},
    {0x86, "TUPLE2", op_tuple_of, 2},
    {0x87, "TUPLE3", op_tuple_of, 3},
    {']', "EMPTY_LIST", op_empty, UN_PICKLE_LIST},
    {'a', "APPEND", op_append, 1},
    {'e', "APPENDS", op_appends, 1},
    {'}', "EMPTY_DICT", op_empty, UN_PICKLE_DICT},
    {'s', "SETITEM", op_append, 2},
    {'u', "SETITEMS", op_appends, 2},
    {'q', "BINPUT", op_put, 1},
    {'r', "LONG_BINPUT", op_put, 4},
    {0x94, "MEMOIZE", op_put, 0},
    {'h', "BINGET", op_get, 1},
    {'j', "LONG_BINGET", op_get, 4},
    {'c', "GLOBAL", op_global, 0},
    {0x93, "STACK_GLOBAL", op_stack_global, 0},
    {'R', "REDUCE", op_reduce, 0},
    {'b', "BUILD", op_build, 0},
    {'Q', "BINPERSID", op_persistent, 0},
    {'i', "INST", NULL, 0},
    {'o', "OBJ", NULL, 0},
    {0x81, "NEWOBJ", NULL, 0},
    {0x92, "NEWOBJ_EX", NULL, 0},
    {0x82, "EXT1", NULL, 0},
    {0x83, "EXT2", NULL, 0},
    {0x84, "EXT4", NULL, 0},
    {'P', "PERSID", NULL, 0},
};

static unet_status step(machine *m)
{
    const unsigned char *code = NULL;
    unet_status st;

    m->p.offset = m->src->base + (int64_t)m->src->at;
    st = take(m, 1, &code);
    if (st)
        return st;
    for (size_t i = 0; i < UN_COUNT(opcodes); i++)
        if (opcodes[i].code == *code && opcodes[i].run)
            return opcodes[i].run(m, opcodes[i].arg);
        else if (opcodes[i].code == *code)
            return un_pickle_bad(&m->p, UNET_E_UNSUPPORTED,
                "the opcode %s makes objects of any kind; files of weights need none, so it is refused",
                opcodes[i].name);
    return un_pickle_bad(&m->p, UNET_E_UNSUPPORTED, "the opcode 0x%02x is none that files of weights need", *code);
}

unet_status un_pickle_read(un_pickle_value **out, un_arena *arena, un_pickle_source *src, unet_error *err)
{
    size_t budget = src->size - src->at;
    machine m = {.p = {.arena = arena, .name = src->name, .err = err, .budget = &budget}, .src = src};
    const size_t end = src->at + UN_MIN(budget, (size_t)UN_PICKLE_BYTES_MAX);
    unet_status st = UNET_OK;

    *out = NULL;
    src->storages = m.p.storages = un_pickle_new(arena, UN_PICKLE_LIST);
    m.stack = un_pickle_new(arena, UN_PICKLE_LIST);
    m.memo = un_pickle_new(arena, UN_PICKLE_LIST);
    m.marks = un_pickle_new(arena, UN_PICKLE_LIST);
    if (!m.stack || !m.memo || !m.marks || !m.p.storages)
        return no_memory(&m);
    while (!st && !m.result)
        st = src->at <= end ? step(&m) : un_pickle_bad(&m.p, UNET_E_LIMIT, "more than %d bytes", UN_PICKLE_BYTES_MAX);
    *out = st ? NULL : m.result;
    return st;
}
