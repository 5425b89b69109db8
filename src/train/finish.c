#include "train/finish.h"

#include <string.h>

#include "run/session.h"

enum { RECORD_MAX = 1 << 16 };

static void write_record(un_text *t, const un_config *c, const un_train_options *opt, const un_progress_state *s)
{
    un_text_add(t, "{\"unet\":");
    un_text_json_string(t, opt->version ? opt->version : "");
    un_text_add(t, ",\"cpu_level\":");
    un_text_json_string(t, un_cpu_level_name(opt->level));
    un_text_printf(t, ",\"seed\":%lld,\"steps\":%lld,\"planned_steps\":%lld", (long long)c->train.seed,
        (long long)s->step, (long long)s->steps);
    un_text_printf(t, ",\"batch\":%d,\"ghost_batch\":%d,\"patch\":[%d,%d,%d]", c->train.batch, c->train.ghost_batch,
        c->train.patch[0], c->train.patch[1], c->train.patch[2]);
    un_text_printf(
        t, ",\"training_pictures\":%lld,\"selections\":%lld", (long long)opt->pictures, (long long)s->selections);
    if (s->best_step) {
        un_text_printf(t, ",\"best_step\":%lld,\"select\":", (long long)s->best_step);
        un_text_json_string(t, un_config_word("train", "select", (int)c->train.select));
        un_text_add(t, ",\"best_score\":");
        un_text_number(t, s->best_score);
    }
    un_text_add(t, ",\"data_checksum\":");
    un_text_json_string(t, s->data);
    if (opt->names) {
        un_text_add(t, ",\"pictures\":");
        un_text_add(t, opt->names);
    }
    un_text_add(t, "}");
}

/* One session serves all pairs: they have one shape. */
static unet_status fill_pairs(un_model *m, const un_train_options *opt, unet_error *err)
{
    const un_session_options o = {.pool = opt->pool, .level = opt->level, .exact = opt->exact};
    un_session *s = NULL;
    unet_status st = un_model_make_pairs(m, err);

    if (!st)
        st = un_session_create(&s, m->mem, m, m->pair[0].in, &o, err);
    for (int i = 0; i < m->n_pairs && !st; i++)
        st = un_session_run(s, m->pair[i].input, NULL, m->pair[i].output, err);
    un_session_destroy(s);
    return st;
}

unet_status un_train_finish(un_model *m, const un_train_options *opt, const un_progress_state *state, unet_error *err)
{
    const size_t most = RECORD_MAX + (opt->names ? strlen(opt->names) : 0);
    un_text t;
    unet_status st;

    un_text_init(&t, m->mem, most);
    write_record(&t, &m->config, opt, state);
    st = t.failed ? un_fail_nomem(err, most) : un_model_set_record(m, t.s, err);
    un_text_free(&t);
    return st ? st : fill_pairs(m, opt, err);
}
