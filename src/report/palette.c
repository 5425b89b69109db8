#include "report/palette.h"

#include "base/math.h"
#include "base/size.h"

static const un_rgb okabe_ito[] = {
    {0, 0, 0},       /* black          */
    {230, 159, 0},   /* orange         */
    {86, 180, 233},  /* sky blue       */
    {0, 158, 115},   /* bluish green   */
    {240, 228, 66},  /* yellow         */
    {0, 114, 178},   /* blue           */
    {213, 94, 0},    /* vermillion     */
    {204, 121, 167}, /* reddish purple */
};

const un_rgb un_colour_right = {0, 158, 115};
const un_rgb un_colour_extra = {230, 159, 0};
const un_rgb un_colour_missed = {86, 180, 233};
const un_rgb un_colour_confused = {204, 121, 167};
const un_rgb un_colour_ignored = {128, 128, 128};

/* hue in turns, saturation and value 0..1 */
static un_rgb from_hsv(double hue, double saturation, double value)
{
    double channel[3];

    for (int i = 0; i < 3; i++) {
        double at = hue * 6 + (i == 0 ? 0 : i == 1 ? 4 : 2); /* distance from this channel's own hue, in sixths */
        double share;

        at -= 6 * un_floor(at / 6);
        share = UN_MIN(UN_MAX(UN_MAX(2 - at, at - 4), 0.0), 1.0);
        channel[i] = un_round(255 * value * (1 - saturation * (1 - share)));
    }
    return (un_rgb){(unsigned char)channel[0], (unsigned char)channel[1], (unsigned char)channel[2]};
}

void un_palette_default(un_palette *p)
{
    /* saturation and value: of several sets tried, the one whose first 32 colours lie farthest apart */
    static const double strength[][2] = {{0.9, 1}, {0.6, 0.95}, {0.35, 1}, {0.9, 0.65}, {0.5, 0.7}};
    const double golden = 0.38196601125010515; /* 2 - golden ratio */

    for (int i = 0; i < UN_PALETTE_SIZE; i++) {
        const double *v = strength[i % (int)UN_COUNT(strength)];

        p->of[i] =
            i < (int)UN_COUNT(okabe_ito) ? okabe_ito[i] : from_hsv(golden * i - un_floor(golden * i), v[0], v[1]);
    }
}

int un_rgb_wants_white(un_rgb c)
{
    return 299 * c.r + 587 * c.g + 114 * c.b < 140 * 1000; /* luma of ITU-R BT.601 */
}
