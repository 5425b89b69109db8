/* A covering set of combinations: rows of levels, one of each factor, so that each pair of levels of two factors stands
 * in at least one row. Greedy: for each pair still missing some random rows that hold it are drawn, and the one with
 * the most missing pairs is taken. */
#ifndef COVERING_H
#define COVERING_H

#include <stdlib.h>

#include "base/rng.h"
#include "test.h"

enum { COVERING_TRIES = 60 }; /* where the set does not say how many */

typedef struct covering {
    int factors, most_rows, tries;                /* tries: rows drawn for a pair; more where few rows are allowed */
    const int *levels;                            /* [factors] */
    int (*allowed)(void *ctx, const int *row);    /* 0: such a row is not taken */
    void (*missed)(void *ctx, const int pair[4]); /* a pair that no drawn row was allowed with; NULL: nothing is done */
    void *ctx;
    int *row, rows; /* [rows][factors], made by cover_pairs */
    char *covered;  /* [pairs of levels] */
    int first[64];  /* of a factor's levels among all; its last entry: all */
} covering;

static inline char *covering_pair(covering *c, int a, int i, int b, int j)
{
    return c->covered + (c->first[a] + i) * c->first[c->factors] + c->first[b] + j;
}

static inline int covering_gain(covering *c, const int *row, int mark)
{
    int n = 0;

    for (int a = 0; a < c->factors; a++)
        for (int b = a + 1; b < c->factors; b++) {
            char *pair = covering_pair(c, a, row[a], b, row[b]);

            n += !*pair;
            if (mark)
                *pair = 1;
        }
    return n;
}

static inline void covering_add(covering *c, un_rng *random, const int pair[4])
{
    int best = 0, row[64], *to = c->row + c->rows * c->factors;

    for (int t = 0; t < (c->tries ? c->tries : COVERING_TRIES); t++) {
        int gain;

        for (int f = 0; f < c->factors; f++)
            row[f] = (int)un_rng_below(random, c->levels[f]);
        row[pair[0]] = pair[1];
        row[pair[2]] = pair[3];
        gain = covering_gain(c, row, 0);
        if (gain > best && c->allowed(c->ctx, row)) {
            best = gain;
            memcpy(to, row, (size_t)c->factors * sizeof *row);
        }
    }
    if (best) {
        CHECK(c->rows < c->most_rows - 1);
        covering_gain(c, to, 1);
        c->rows++;
    } else if (c->missed) {
        c->missed(c->ctx, pair);
    }
}

static inline void cover_pairs(covering *c)
{
    un_rng random;

    CHECK(c->factors < 64);
    for (int f = 0; f < c->factors; f++)
        c->first[f + 1] = c->first[f] + c->levels[f];
    c->row = malloc((size_t)c->most_rows * (size_t)c->factors * sizeof *c->row);
    c->covered = calloc((size_t)c->first[c->factors], (size_t)c->first[c->factors]);
    CHECK(c->row && c->covered);
    un_rng_init(&random, 3, UN_RNG_TEST, 0, 0, 0);
    for (int a = 0; a < c->factors; a++)
        for (int b = a + 1; b < c->factors; b++)
            for (int i = 0; i < c->levels[a]; i++)
                for (int j = 0; j < c->levels[b]; j++)
                    if (!*covering_pair(c, a, i, b, j))
                        covering_add(c, &random, (int[]){a, i, b, j});
    free(c->covered);
    c->covered = NULL;
}

#endif
