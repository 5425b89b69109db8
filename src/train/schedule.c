#include "train/schedule.h"

#include "base/size.h"
#include "config/optimisers.h"
#include "train/registry.h"

double un_schedule_lr(const un_cfg_optimiser *o, int64_t step, int64_t total)
{
    const un_schedule_rule rule = un_schedule_rule_of(o->schedule);
    const int64_t n = UN_MAX(total - o->warmup, 1);

    if (step <= o->warmup)
        return rule(o, 0, n) * (double)step / (double)o->warmup;
    return rule(o, step > total ? n : step - 1 - o->warmup, n);
}

/* As PyTorch's ReduceLROnPlateau: a selection within the cooling counts neither for nor against. */
void un_plateau_score(un_plateau *p, const un_config *c, double score)
{
    const un_cfg_optimiser *o = &c->optimiser;

    p->stale++;
    if (score - p->best > c->train.min_delta || (!p->known && score - score == 0)) {
        p->best = score;
        p->known = 1;
        p->stale = 0;
    }
    if (p->cooling > 0) {
        p->cooling--;
        p->stale = 0;
    }
    if (p->stale > un_schedule_value(o, "plateau_patience")) {
        p->factor = UN_MAX(p->factor * un_schedule_value(o, "factor"), 1e-30);
        p->cooling = (int64_t)un_schedule_value(o, "plateau_cooldown");
        p->stale = 0;
    }
}

double un_plateau_lr(const un_plateau *p, const un_cfg_optimiser *o, double lr)
{
    return p->factor > 0 && p->factor < 1 ? UN_MAX(lr * p->factor, UN_MIN(lr, o->min_lr)) : lr;
}

int64_t un_swa_first(const un_config *c)
{
    return (int64_t)(c->optimiser.swa_start * (double)c->train.steps) + 1;
}

static unet_status still_auto(const char *key, unet_error *err)
{
    return un_fail_file(err, UNET_E_CONFIG, key, "still auto; set it, or let `unet plan` choose from the data");
}

static unet_status settle_steps(un_cfg_train *t, int64_t pictures, unet_error *err)
{
    double steps;

    if (!un_is_auto(t->steps))
        return UNET_OK;
    if (un_is_auto(t->epochs) || pictures < 1)
        return still_auto("train.steps", err);
    steps = t->epochs * (double)pictures / t->batch;
    if (steps > 1e9)
        return un_fail_file(err, UNET_E_CONFIG, "train.epochs", "%g epochs are more than 1e9 steps", t->epochs);
    t->steps = UN_MAX((int64_t)steps + ((double)(int64_t)steps < steps), 1);
    return UNET_OK;
}

unet_status un_train_settle(un_config *c, int64_t pictures, unet_error *err)
{
    un_cfg_train *t = &c->train;
    un_cfg_optimiser *o = &c->optimiser;
    unet_status st;

    if (un_is_auto(t->batch))
        return still_auto("train.batch", err);
    if (un_is_auto(t->patch[0]))
        return still_auto("train.patch", err);
    st = settle_steps(t, pictures, err);
    if (st)
        return st;
    if (un_is_auto(t->ghost_batch))
        t->ghost_batch = t->batch;
    if (un_is_auto(t->val_interval))
        t->val_interval = UN_MAX(t->steps / 20, 1);
    if (un_is_auto(o->lr))
        o->lr = un_method_info_of(o->name)->lr;
    if (un_is_auto(o->warmup))
        o->warmup = o->schedule == UN_CFG_SCHEDULE_ONE_CYCLE ? 0 : UN_MIN(t->steps / 20, 500);
    if (un_is_auto(o->clip_norm))
        o->clip_norm = o->clip_value > 0 || o->clip_adaptive > 0 ? 0 : 1;
    if (un_is_auto(o->swa_every))
        o->swa_every = UN_MAX(t->steps / 200, 1);
    if (un_is_auto(o->ema_decay))
        o->ema_decay = UN_MIN(UN_MAX(1 - 10.0 / (double)t->steps, 0), 0.999);
    if (c->loss.class_weights.n == UN_CFG_LIST_AUTO && c->loss.class_weight_rule != UN_CFG_WEIGHTS_AUTO)
        return still_auto("loss.class_weights", err);
    if (c->loss.class_weights.n == UN_CFG_LIST_AUTO)
        c->loss.class_weights.n = 0;
    st = un_config_check(c, err);
    return st ? st : un_optimiser_check(c, NULL, err);
}
