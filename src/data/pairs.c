/* Which mask belongs to which picture.
 *
 * Tried in this order, each time among those still unmatched: equal stems; the mask's stem with a tail that
 * says "mask" cut off (cell_1_mask -> cell_1); the picture's last word cut too (cell_1_phase,
 * cell_1_instances -> cell_1); leading words cut (image_001, mask_001 -> 001); tails that all unmatched
 * masks, and all unmatched pictures, have in common. With data.image_suffix or data.mask_suffix only these
 * are cut, nothing is guessed. Two candidates are an issue, never a choice, unless one of them ends as all other
 * pictures with masks do. */
#include "data/layout.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/size.h"

static const char separators[] = "_-. ";

static int is_separator(char c)
{
    return c && strchr(separators, c);
}

/* Words of four letters and more also count as the beginning of a longer one ("labelIds"). */
static const char *const mask_words[] = {"mask", "seg", "segm", "segmentation", "label", "lbl", "gt", "truth",
    "groundtruth", "manual", "annot", "anno", "instance", "inst", "target", "roi", "binary"};
static const char *const image_words[] = {"image", "img", "picture", "input", "raw", "orig", "photo", "frame", "im"};

static int word_of(const char *s, size_t n, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const size_t len = strlen(words[i]);

        if ((n == len || (n > len && len >= 4)) && !strncasecmp(s, words[i], len))
            return 1;
    }
    return 0;
}

/* Whether one of the words between separators is a mask word. */
static int says_mask(const char *s)
{
    while (*s) {
        const size_t n = strcspn(s, separators);

        if (word_of(s, n, mask_words, UN_COUNT(mask_words)))
            return 1;
        s += n;
        s += *s != 0;
    }
    return 0;
}

static const char *base_of(const char *stem)
{
    const char *slash = strrchr(stem, '/');

    return slash ? slash + 1 : stem;
}

int un_stem_is_mask(const char *stem)
{
    return says_mask(base_of(stem));
}

static int has_letter(const char *s)
{
    while (*s)
        if (isalpha((unsigned char)*s++))
            return 1;
    return 0;
}

typedef struct matcher {
    un_dataset *d;
    un_files *images, *masks;
    struct key {
        const char *text;
        int image;
    } * keys; /* of the unmatched images, sorted */
    int n;
    int *unclear; /* [masks] first key of those that are unclear */
    unet_error *err;
} matcher;

enum { UNCLEAR = -2 };

static int by_key(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    const int c = strcmp(x->text, y->text);

    return c ? c : x->image - y->image;
}

static int first_key(const matcher *m, const char *text)
{
    int lo = 0, hi = m->n;

    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;

        if (strcmp(m->keys[mid].text, text) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void pair_up(matcher *m, int mask, int image)
{
    m->masks->v[mask].pair = image;
    m->images->v[image].pair = mask;
}

/* 1: matched, or unclear (pair UNCLEAR; settled after the pass); 0: no such key. */
static void try_key(matcher *m, int mask, const char *text, int *done)
{
    const int i = first_key(m, text);

    *done = 0;
    if (i == m->n || strcmp(m->keys[i].text, text) || m->images->v[m->keys[i].image].pair >= 0)
        return;
    *done = 1;
    if (i + 1 < m->n && !strcmp(m->keys[i + 1].text, text)) {
        m->masks->v[mask].pair = UNCLEAR;
        m->unclear[mask] = i;
    } else {
        pair_up(m, mask, m->keys[i].image);
    }
}

/* The stem without its first word, when that is one of `words` and something follows. */
static char *cut_lead(un_dataset *d, const char *stem, const char *const *words, size_t count)
{
    const char *base = base_of(stem);
    const size_t n = strcspn(base, separators);

    if (!base[n] || !base[n + 1] || !word_of(base, n, words, count))
        return un_dataset_text(d, "%s", stem);
    return un_dataset_text(d, "%.*s%s", (int)(base - stem), stem, base + n + 1);
}

/* The stem without its last word, when that has a letter; else whole. */
static char *cut_last(un_dataset *d, const char *stem)
{
    const char *base = base_of(stem);
    size_t n = strlen(base);

    while (n && !is_separator(base[n - 1]))
        n--;
    if (n < 2 || !has_letter(base + n))
        return un_dataset_text(d, "%s", stem);
    return un_dataset_text(d, "%.*s", (int)(base - stem + (ptrdiff_t)n - 1), stem);
}

/* The stem without `tail`; NULL when it has another end. */
static char *cut_tail(un_dataset *d, const char *stem, const char *tail, int *no_memory)
{
    const size_t n = strlen(stem), t = strlen(tail);
    char *p;

    if (t >= n || strcmp(stem + n - t, tail))
        return NULL;
    p = un_dataset_text(d, "%.*s", (int)(n - t), stem);
    *no_memory |= !p;
    return p;
}

enum pass { EQUAL, MASK_TAIL, BOTH_TAILS, LEADS, COMMON, PASSES };

/* The longest common end of the unmatched (or of the paired) files that begins at a separator; "" with fewer than two
 * of them. */
static const char *common_tail_of(const un_files *f, int paired)
{
    const char *tail = NULL;
    int n = 0;

    for (int i = 0; i < f->n; i++) {
        const char *s = f->v[i].stem;

        if (paired ? f->v[i].pair < 0 : f->v[i].pair != -1)
            continue;
        if (n++ == 0) {
            tail = base_of(s);
            continue;
        }
        for (;; tail++) {
            const size_t len = strlen(s), t = strlen(tail);

            if (t <= len && !strcmp(s + len - t, tail))
                break;
        }
    }
    if (n < 2 || !tail)
        return "";
    while (*tail && !is_separator(*tail))
        tail++;
    return has_letter(tail) ? tail : "";
}

static unet_status build_keys(matcher *m, enum pass pass, const char *tail)
{
    int no_memory = 0;

    m->n = 0;
    for (int i = 0; i < m->images->n; i++) {
        const char *stem = m->images->v[i].stem, *text = stem;

        if (m->images->v[i].pair != -1)
            continue;
        if (pass == BOTH_TAILS)
            text = cut_last(m->d, stem);
        else if (pass == LEADS)
            text = cut_lead(m->d, stem, image_words, UN_COUNT(image_words));
        else if (*tail)
            text = cut_tail(m->d, stem, tail, &no_memory);
        if (!text && (pass == BOTH_TAILS || pass == LEADS))
            no_memory = 1;
        if (text)
            m->keys[m->n++] = (struct key){text, i};
    }
    qsort(m->keys, (size_t)m->n, sizeof *m->keys, by_key);
    return no_memory ? un_fail_nomem(m->err, 1) : UNET_OK;
}

/* All cuts of the mask's stem whose tail says "mask", longest key first. */
static unet_status try_cuts(matcher *m, int mask)
{
    const char *stem = m->masks->v[mask].stem, *base = base_of(stem);
    int done = 0;

    for (size_t n = strlen(base); n-- > 1 && !done;) {
        char *key;

        if (!is_separator(base[n]) || !says_mask(base + n + 1))
            continue;
        key = un_dataset_text(m->d, "%.*s", (int)(base - stem + (ptrdiff_t)n), stem);
        if (!key)
            return un_fail_nomem(m->err, 1);
        try_key(m, mask, key, &done);
    }
    return UNET_OK;
}

static unet_status tell_unclear(matcher *m, int mask, const char *key, int first, int second)
{
    const un_found *f = &m->masks->v[mask], *a = &m->images->v[first], *b = &m->images->v[second];
    const size_t n = strlen(key);

    if (strlen(a->stem) > n && strlen(b->stem) > n && strlen(f->stem) > n)
        return un_dataset_issue(m->d, UN_ISSUE_PAIR_UNCLEAR, -1, f->path, m->err,
            "this mask could belong to %s or to %s; set data.mask_suffix=%s and data.image_suffix=%s or =%s",
            un_dataset_relative(m->d, a->path), un_dataset_relative(m->d, b->path), f->stem + n, a->stem + n,
            b->stem + n);
    return un_dataset_issue(m->d, UN_ISSUE_PAIR_UNCLEAR, -1, f->path, m->err,
        "this mask could belong to %s or to %s; say which words differ by data.image_suffix and data.mask_suffix",
        un_dataset_relative(m->d, a->path), un_dataset_relative(m->d, b->path));
}

/* Masks that could belong to several pictures: to the only one with the end that the other pictures with masks have;
 * else this is told. */
static unet_status settle_unclear(matcher *m)
{
    const char *tail = common_tail_of(m->images, 1);
    unet_status st = UNET_OK;

    for (int i = 0; i < m->masks->n && !st; i++) {
        const int first = m->unclear[i];
        const char *text;
        int fits = -1, several = 0, end;

        if (m->masks->v[i].pair != UNCLEAR || first < 0)
            continue;
        text = m->keys[first].text;
        for (end = first; end < m->n && !strcmp(m->keys[end].text, text); end++) {
            const char *stem = m->images->v[m->keys[end].image].stem;
            const size_t n = strlen(stem), t = strlen(tail);

            if (!*tail || n < t || strcmp(stem + n - t, tail) || m->images->v[m->keys[end].image].pair >= 0)
                continue;
            several |= fits >= 0;
            fits = m->keys[end].image;
        }
        m->unclear[i] = -1;
        if (fits >= 0 && !several)
            pair_up(m, i, fits);
        else
            st = tell_unclear(m, i, text, m->keys[first].image, m->keys[first + 1].image);
    }
    return st;
}

static unet_status match_pass(matcher *m, enum pass pass, const char *image_tail, const char *mask_tail)
{
    unet_status st = build_keys(m, pass, image_tail);
    int done, no_memory = 0;

    for (int i = 0; i < m->masks->n && !st; i++) {
        const char *stem = m->masks->v[i].stem, *key = stem;

        if (m->masks->v[i].pair != -1)
            continue;
        if (pass == LEADS)
            key = cut_lead(m->d, stem, mask_words, UN_COUNT(mask_words));
        else if (*mask_tail)
            key = cut_tail(m->d, stem, mask_tail, &no_memory);
        if (no_memory || (pass == LEADS && !key))
            return un_fail_nomem(m->err, 1);
        if (key && pass != MASK_TAIL)
            try_key(m, i, key, &done);
        if (!st && m->masks->v[i].pair == -1 && (pass == MASK_TAIL || pass == BOTH_TAILS))
            st = try_cuts(m, i);
    }
    return st ? st : settle_unclear(m);
}

/* With a suffix given, pictures that lack it are no pictures of this set. */
static unet_status drop_others(un_files *f, un_dataset *d, const char *suffix, const char *key, unet_error *err)
{
    int kept = 0;
    unet_status st;

    for (int i = 0; i < f->n; i++) {
        const size_t n = strlen(f->v[i].stem), t = strlen(suffix);

        if (n > t && !strcmp(f->v[i].stem + n - t, suffix)) {
            f->v[kept++] = f->v[i];
            continue;
        }
        st = un_dataset_issue(
            d, UN_ISSUE_IGNORED_FILE, -1, f->v[i].path, err, "its name does not end in '%s' (%s)", suffix, key);
        if (st)
            return st;
    }
    f->n = kept;
    return UNET_OK;
}

unet_status un_pairs_match(un_files *images, un_files *masks, un_dataset *d, const un_cfg_data *cfg, unet_error *err)
{
    matcher m = {.d = d, .images = images, .masks = masks, .err = err};
    const int told = cfg->image_suffix[0] || cfg->mask_suffix[0];
    unet_status st = UNET_OK;

    if (cfg->image_suffix[0])
        st = drop_others(images, d, cfg->image_suffix, "data.image_suffix", err);
    if (!st && cfg->mask_suffix[0])
        st = drop_others(masks, d, cfg->mask_suffix, "data.mask_suffix", err);
    if (st)
        return st;
    for (int i = 0; i < images->n; i++)
        images->v[i].pair = -1;
    for (int i = 0; i < masks->n; i++)
        masks->v[i].pair = -1;
    m.keys = un_alloc_array(d->mem, (size_t)images->n, sizeof *m.keys);
    m.unclear = un_alloc_array(d->mem, (size_t)masks->n, sizeof *m.unclear);
    if (!m.keys || !m.unclear) {
        un_free(m.keys);
        un_free(m.unclear);
        return un_fail_nomem(err, (size_t)images->n * sizeof *m.keys);
    }
    for (int i = 0; i < masks->n; i++)
        m.unclear[i] = -1;
    if (told)
        st = match_pass(&m, EQUAL, cfg->image_suffix, cfg->mask_suffix);
    for (int pass = EQUAL; pass < COMMON && !told && !st; pass++)
        st = match_pass(&m, (enum pass)pass, "", "");
    if (!told && !st)
        st = match_pass(&m, COMMON, common_tail_of(images, 0), common_tail_of(masks, 0));
    un_free(m.keys);
    un_free(m.unclear);
    if (!st && !told && images->n == 1 && masks->n == 1 && images->v[0].pair == -1 && masks->v[0].pair == -1)
        images->v[0].pair = masks->v[0].pair = 0;
    return st;
}

unet_status un_pairs_add(
    un_dataset *d, const un_files *images, const un_files *masks, const char *prefix, un_split split, unet_error *err)
{
    unet_status st = UNET_OK;

    for (int i = 0; i < images->n && !st; i++) {
        const un_found *f = &images->v[i];
        un_item *it = un_dataset_add(d);
        const char **paths = un_arena_alloc(d->arena, sizeof *paths);

        if (!it || !paths)
            return un_fail_nomem(err, sizeof *it);
        paths[0] = f->path;
        it->images = paths;
        it->image_count = 1;
        it->mask = f->pair >= 0 ? masks->v[f->pair].path : NULL;
        it->split = split;
        it->name = un_dataset_text(d, "%s%s", prefix, f->stem);
        if (!it->name)
            return un_fail_nomem(err, 1);
        if (!it->mask)
            st = un_dataset_issue(
                d, UN_ISSUE_UNLABELLED, d->count - 1, f->path, err, "no mask has this name; the picture is not used");
    }
    for (int i = 0; i < masks->n && !st; i++)
        if (masks->v[i].pair == -1)
            st = un_dataset_issue(d, UN_ISSUE_MASK_ALONE, -1, masks->v[i].path, err, "no picture has this name");
    return st;
}
