/* The U as a picture: the encoder on the left, the decoder on the right, what joins them between. */
#include "model/builder.h"

#include <stdio.h>

enum { STEP_X = 90, STEP_Y = 74, BOX_H = 40, LEFT = 20, TOP = 20, BOX_W = 56 };

typedef struct place {
    int x, y; /* upper left corner of a box */
} place;

/* Column j of a level: 0 is the encoder, depth - level the last block of the decoder. */
static place place_of(int level, int j)
{
    return (place){LEFT + STEP_X * (level + 2 * j), TOP + STEP_Y * level};
}

static void box(un_text *t, place p, const char *fill, const char *label)
{
    un_text_printf(t, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\" stroke=\"#333\"/>\n", p.x, p.y,
        BOX_W, BOX_H, fill);
    un_text_printf(
        t, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", p.x + BOX_W / 2, p.y + BOX_H + 13, label);
}

static void dashes(un_text *t, place from, place to)
{
    un_text_printf(t, "<path d=\"M%d %dL%d %d\" stroke=\"#888\" stroke-dasharray=\"5 3\" fill=\"none\"/>\n",
        from.x + BOX_W, from.y + BOX_H / 2, to.x, to.y + BOX_H / 2);
}

/* From the block before to the one after it on the way down or up. */
static void step(un_text *t, place from, place to)
{
    const int down = to.y > from.y;

    un_text_printf(t, "<path d=\"M%d %dL%d %d\" stroke=\"#333\" fill=\"none\"/>\n", from.x + BOX_W,
        from.y + (down ? BOX_H : 0), to.x, to.y + (down ? 0 : BOX_H));
}

static void gate(un_text *t, place from, place to)
{
    const int x = (from.x + BOX_W + to.x) / 2, y = from.y + BOX_H / 2;

    un_text_printf(t,
        "<circle cx=\"%d\" cy=\"%d\" r=\"9\" fill=\"#fdd0a2\" stroke=\"#333\"/>\n"
        "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">&#215;<title>attention gate</title></text>\n",
        x, y, x, y + 4);
}

/* What block (level, j) of the decoder reads. */
static void joins(un_text *t, const un_cfg_model *m, int level, int j)
{
    const place to = place_of(level, j), skip = place_of(level, j - 1);

    step(t, place_of(level + 1, j - 1), to);
    if (m->decoder == UN_CFG_DECODER_NESTED) {
        dashes(t, skip, to);
        return;
    }
    if (un_config_int_at(&m->skips, level))
        dashes(t, place_of(level, 0), to);
    if (m->gate != UN_CFG_GATE_NONE && un_config_int_at(&m->skips, level))
        gate(t, place_of(level, 0), to);
    for (int from = 0; from <= m->depth && m->decoder == UN_CFG_DECODER_FULL; from++)
        if (from != level)
            dashes(t, place_of(from, from < level ? 0 : m->depth - from), to);
}

static void decoder(un_text *t, const un_cfg_model *m)
{
    char label[64];

    for (int level = m->depth - 1; level >= 0; level--)
        for (int j = m->decoder == UN_CFG_DECODER_NESTED ? 1 : m->depth - level; j <= m->depth - level; j++) {
            const int nested = m->decoder == UN_CFG_DECODER_NESTED, out = nested ? m->depth - j : level;
            const int side =
                (!nested || level == 0) && out > 0 && out <= un_model_sides(m) && m->supervision.v[out - 1] > 0;

            joins(t, m, level, j);
            snprintf(label, sizeof label, "%d filters%s",
                m->decoder == UN_CFG_DECODER_FULL ? un_model_filters(m, 0) * (m->depth + 1)
                                                  : un_model_filters(m, level),
                side ? ", output" : "");
            box(t, place_of(level, j), side ? "#c7e9c0" : "#a1d99b", label);
        }
}

void un_model_drawing(un_text *t, const un_cfg_model *m, un_shape input)
{
    const int width = LEFT * 2 + STEP_X * (2 * m->depth) + BOX_W, height = TOP * 2 + STEP_Y * (m->depth + 1);
    const struct {
        const char *key;
        int value;
    } choice[] = {{"encoder", (int)m->encoder}, {"block", (int)m->block}, {"decoder", (int)m->decoder},
        {"recalibrate", (int)m->recalibrate}, {"bottom", (int)m->bottom}, {"stem", (int)m->stem}};
    char label[48];

    un_text_printf(t,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
        "font-family=\"sans-serif\" font-size=\"11\">\n<title>U-Net, %d poolings, input %dx%dx%dx%d</title>\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
        width, height, width, height, m->depth, input.d, input.h, input.w, input.c);
    un_text_printf(t, "<text x=\"%d\" y=\"%d\">", LEFT, height - 8);
    for (size_t i = 0; i < sizeof choice / sizeof *choice; i++)
        if (choice[i].value)
            un_text_printf(t, "%s: %s; ", choice[i].key, un_config_word("model", choice[i].key, choice[i].value));
    un_text_add(t, "</text>\n");
    for (int level = 0; level <= m->depth; level++) {
        if (level > 0)
            step(t, place_of(level - 1, 0), place_of(level, 0));
        snprintf(label, sizeof label, "%d filters", un_model_encoded(m, level));
        box(t, place_of(level, 0), "#9ecae1", label);
    }
    decoder(t, m);
    un_text_add(t, "</svg>\n");
}
