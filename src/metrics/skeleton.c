/* Skeletons by thinning, and clDice (Shit et al. 2021). */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "metrics/masks.h"

/* Thinning after Lee, Kashyap and Chu, "Building skeleton models via 3-D medial surface/axis thinning algorithms",
 * CVGIP 56(6), 1994; a picture is a volume of one plane. Their two conditions, Euler invariance and one component of
 * neighbours, say of a border point that it is simple; this is asked in the equal form of Bertrand 1994: one
 * 26-component of set neighbours, and one 6-component, within the 18 neighbours, of unset ones that share a face. */
enum { RESTING = 1, ACTIVE = 3 }; /* what set pixels are marked with; bit 0: set */

typedef struct thinner {
    uint8_t *p;      /* [d + 2][h + 2][w + 2] the mask with a border of zeros                       */
    int64_t *active; /* [n] set pixels with an unset neighbour across a face, in the order of memory */
    int64_t *chosen; /* [n] room: pixels that go, then those that become active                      */
    int64_t n, row, plane;
    int64_t face[6]; /* steps to the neighbours; z last */
    int faces;       /* that can make a pixel active: 4 of one plane, where no pixel has neighbours along z */
} thinner;

typedef struct cube {
    uint8_t set[27]; /* z, y, x; 13 is the pixel itself */
} cube;

static void read_cube(cube *c, const thinner *t, int64_t i)
{
    for (int k = 0; k < 27; k++)
        c->set[k] = 1 & t->p[i + (k / 9 - 1) * t->plane + (k / 3 % 3 - 1) * t->row + k % 3 - 1];
}

static int steps(int a, int b) /* how many coordinates differ; 9: not neighbours */
{
    const int dz = a / 9 - b / 9, dy = a / 3 % 3 - b / 3 % 3, dx = a % 3 - b % 3;

    return dz < -1 || dz > 1 || dy < -1 || dy > 1 || dx < -1 || dx > 1 ? 9 : (dz != 0) + (dy != 0) + (dx != 0);
}

/* Bit b of [a]: a and b are neighbours across at most `most` coordinates. */
typedef struct links {
    uint32_t near26[27], near6[27], faces, near18;
} links;

static void make_links(links *l)
{
    memset(l, 0, sizeof *l);
    for (int a = 0; a < 27; a++) {
        for (int b = 0; b < 27; b++) {
            l->near26[a] |= (uint32_t)(a != b && steps(a, b) <= 3) << b;
            l->near6[a] |= (uint32_t)(steps(a, b) == 1) << b;
        }
        l->faces |= (uint32_t)(steps(a, 13) == 1) << a;
        l->near18 |= (uint32_t)(a != 13 && steps(a, 13) <= 2) << a;
    }
}

/* What is connected to the lowest of `from` within `all`. */
static uint32_t component(uint32_t from, uint32_t all, const uint32_t *near)
{
    uint32_t seen = from & (~from + 1), front = seen;

    while (front) {
        const int k = __builtin_ctz(front);

        front &= front - 1;
        front |= near[k] & all & ~seen;
        seen |= near[k] & all;
    }
    return seen;
}

static int is_simple(const cube *c, const links *l)
{
    uint32_t set = 0, unset;

    for (int k = 0; k < 27; k++)
        set |= (uint32_t)(k != 13 && c->set[k]) << k;
    unset = ~set & l->near18;
    return set && (unset & l->faces) && component(set, set, l->near26) == set &&
           !(unset & l->faces & ~component(unset & l->faces, unset, l->near6));
}

static int is_end(const cube *c)
{
    int n = 0;

    for (int k = 0; k < 27; k++)
        n += k != 13 && c->set[k];
    return n == 1;
}

/* Puts m ascending places among the active ones. */
static void merge(thinner *t, const int64_t *fresh, int64_t m)
{
    int64_t a = t->n - 1, b = m - 1;

    for (int64_t to = t->n + m - 1; b >= 0; to--)
        t->active[to] = a >= 0 && t->active[a] > fresh[b] ? t->active[a--] : fresh[b--];
    t->n += m;
}

/* `gone` pixels of t->chosen have gone: what shared a face with them has a border now. */
static void wake_neighbours(thinner *t, int64_t gone)
{
    int64_t kept = 0, *fresh = t->chosen + gone;

    for (int64_t k = 0; k < t->n; k++)
        if (t->p[t->active[k]])
            t->active[kept++] = t->active[k];
    t->n = kept;
    for (int f = 0; f < t->faces; f++) {
        int64_t m = 0;

        for (int64_t k = 0; k < gone; k++) {
            const int64_t i = t->chosen[k] + t->face[f];

            if (t->p[i] == RESTING) {
                t->p[i] = ACTIVE;
                fresh[m++] = i;
            }
        }
        merge(t, fresh, m);
    }
}

/* Border points of one direction that may go are chosen on the same picture, then go one after the other while they are
 * still simple. */
static int thin_side(thinner *t, const links *l, int64_t side)
{
    int64_t n = 0, gone = 0;
    cube c;

    for (int64_t k = 0; k < t->n; k++) {
        if (t->p[t->active[k] + side])
            continue;
        read_cube(&c, t, t->active[k]);
        if (!is_end(&c) && is_simple(&c, l))
            t->chosen[n++] = t->active[k];
    }
    for (int64_t k = 0; k < n; k++) {
        read_cube(&c, t, t->chosen[k]);
        if (is_simple(&c, l)) {
            t->p[t->chosen[k]] = 0;
            t->chosen[gone++] = t->chosen[k];
        }
    }
    if (gone)
        wake_neighbours(t, gone);
    return gone > 0;
}

static void thin(thinner *t)
{
    links l;
    int changed;

    make_links(&l);
    do {
        changed = 0;
        for (int k = 0; k < 6; k++)
            changed |= thin_side(t, &l, t->face[k]);
    } while (changed);
}

static int64_t place(const thinner *t, int z, int y, int x)
{
    return (z + 1) * t->plane + (y + 1) * t->row + x + 1;
}

static void read_mask(thinner *t, const uint8_t *mask, un_shape s)
{
    for (int z = 0; z < s.d; z++)
        for (int y = 0; y < s.h; y++)
            for (int x = 0; x < s.w; x++)
                t->p[place(t, z, y, x)] = *mask++ ? RESTING : 0;
    for (int z = 0; z < s.d; z++)
        for (int y = 0; y < s.h; y++)
            for (int x = 0; x < s.w; x++) {
                const int64_t i = place(t, z, y, x);
                int border = 0;

                for (int f = 0; f < t->faces; f++)
                    border |= !t->p[i + t->face[f]];
                if (!t->p[i] || !border)
                    continue;
                t->p[i] = ACTIVE;
                t->active[t->n++] = i;
            }
}

unet_status un_thin(uint8_t *mask, un_shape s, un_mem *mem, unet_error *err)
{
    const int64_t row = s.w + 2, plane = (int64_t)(s.h + 2) * row, all = (int64_t)s.d * s.h * s.w;
    thinner t = {.row = row, .plane = plane, .face = {-row, row, 1, -1, plane, -plane}, .faces = s.d > 1 ? 6 : 4};
    size_t n = 0;
    unet_status st = UNET_OK;

    for (int64_t i = 0; i < all; i++)
        n += mask[i] != 0;
    t.p = un_alloc_zero(mem, (size_t)plane * ((size_t)s.d + 2));
    t.active = un_alloc_array(mem, n, sizeof *t.active);
    t.chosen = un_alloc_array(mem, n, sizeof *t.chosen);
    if (!t.p || !t.active || !t.chosen)
        st = un_fail_nomem(err, (size_t)plane * ((size_t)s.d + 2) + n * 2 * sizeof *t.active);
    if (!st) {
        read_mask(&t, mask, s);
        thin(&t);
    }
    for (int z = 0; z < s.d && !st; z++)
        for (int y = 0; y < s.h; y++)
            for (int x = 0; x < s.w; x++)
                *mask++ = t.p[place(&t, z, y, x)] & 1;
    un_free(t.p);
    un_free(t.active);
    un_free(t.chosen);
    return st;
}

unet_status un_skeleton_metrics(double *v, const un_mask_pair *m, unet_error *err)
{
    const size_t all = (size_t)m->size.d * (size_t)m->size.h * (size_t)m->size.w;
    double share[2];
    unet_status st = UNET_OK;

    v[UN_M_CLDICE] = !m->pixels[0] && !m->pixels[1] ? NAN : 0;
    if (!m->pixels[0] || !m->pixels[1])
        return UNET_OK;
    for (int side = 0; side < 2 && !st; side++) {
        uint8_t *line = un_alloc(m->mem, all);
        int64_t n = 0, inside = 0;

        if (!line)
            return un_fail_nomem(err, all);
        memcpy(line, m->mask[side], all);
        st = un_thin(line, m->size, m->mem, err);
        for (size_t i = 0; i < all && !st; i++) {
            n += line[i];
            inside += line[i] && m->mask[!side][i];
        }
        share[side] = st ? 0 : (double)inside / (double)n;
        un_free(line);
    }
    if (!st && share[0] + share[1] > 0)
        v[UN_M_CLDICE] = 2 * share[0] * share[1] / (share[0] + share[1]);
    return st;
}
