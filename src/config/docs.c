/* The reference of the configuration, as Markdown and for the terminal; made from the tables, so that it cannot lie. */
#include "config/table.h"

#include <string.h>

static void add_range(un_text *t, const un_cfg_field *f)
{
    if (f->words || f->kind == UN_KIND_BOOL || f->kind == UN_KIND_BOOLS || f->hi <= f->lo)
        return;
    un_text_add(t, ", ");
    un_text_number(t, f->lo);
    un_text_add(t, " to ");
    un_text_number(t, f->hi);
}

static void doc_fields(un_text *t, const un_cfg_struct *s)
{
    un_text_add(t, "| key | kind and range | default | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < s->count; i++) {
        const un_cfg_field *f = &s->fields[i];

        un_text_printf(t, "| `%s` | %s", f->key, un_cfg_kind_name(f->kind));
        if (f->record)
            un_text_printf(t, " `%s`", f->record->name);
        add_range(t, f);
        un_text_printf(t, " | `%s` | %s", f->def, f->help);
        for (size_t k = 0; f->words && k < f->words->count; k++)
            un_text_printf(t, "<br>`%s`: %s", f->words->names[k], f->words->helps[k]);
        un_text_add(t, " |\n");
    }
    un_text_add(t, "\n");
}

static void doc_presets(un_text *t)
{
    un_text_add(t, "## Presets\n\nNamed sets of values: `--preset NAME` or, among the keys of any command, "
                   "`preset=NAME`: set over "
                   "the\nfile, before the keys that follow.\n\n| preset | what | values |\n|---|---|---|\n");
    for (size_t i = 0; i < un_preset_count(); i++)
        un_text_printf(
            t, "| `%s` | %s | `%s` |\n", un_preset_at(i)->name, un_preset_at(i)->help, un_preset_at(i)->yaml);
}

void un_config_docs(un_text *t)
{
    un_text_add(t,
        "# Configuration\n\n"
        "Made from `src/config/schema.def`; do not edit. A configuration is a YAML file of the sections below; every "
        "key may\n"
        "be left out. `section.key=value` on the command line sets one key after the file was read. `auto` leaves the "
        "choice\n"
        "to the planner. Anchors, aliases and tags are refused, and so are unknown keys. Axis order is d, h, w.\n\n");
    for (size_t i = 0; i < un_cfg_section_count; i++) {
        const un_cfg_struct *s = &un_cfg_sections[i];

        un_text_printf(t, "## %s: %s\n\n%s\n\n", s->name, s->title, s->help);
        doc_fields(t, s);
        for (size_t j = 0; j < s->count; j++)
            if (s->fields[j].record) {
                un_text_printf(t, "### `%s`: %s\n\n", s->fields[j].record->name, s->fields[j].record->help);
                doc_fields(t, s->fields[j].record);
            }
    }
    doc_presets(t);
}

static void help_presets(un_text *t)
{
    for (size_t i = 0; i < un_preset_count(); i++)
        un_text_printf(
            t, "%-12s %s\n             %s\n", un_preset_at(i)->name, un_preset_at(i)->help, un_preset_at(i)->yaml);
}

static void help_field(un_text *t, const un_cfg_struct *s, const un_cfg_field *f)
{
    un_text_printf(t, "%s.%s: %s\n  %s", s->name, f->key, f->help, un_cfg_kind_name(f->kind));
    add_range(t, f);
    un_text_printf(t, "; default %s\n", f->def);
    for (size_t k = 0; f->words && k < f->words->count; k++)
        un_text_printf(t, "    %-12s %s\n", f->words->names[k], f->words->helps[k]);
    for (size_t k = 0; f->record && k < f->record->count; k++)
        un_text_printf(t, "    %-12s %s (default %s)\n", f->record->fields[k].key, f->record->fields[k].help,
            f->record->fields[k].def);
}

unet_status un_config_help(un_text *t, const char *topic, unet_error *err)
{
    if (topic && !strcmp(topic, "presets")) {
        help_presets(t);
        return UNET_OK;
    }
    for (size_t i = 0; i < un_cfg_section_count; i++) {
        const un_cfg_struct *s = &un_cfg_sections[i];
        size_t n = strlen(s->name);

        if (!topic) {
            un_text_printf(t, "%-10s %s\n", s->name, s->title);
            continue;
        }
        if (strncmp(topic, s->name, n) || (topic[n] && topic[n] != '.'))
            continue;
        if (!topic[n]) {
            un_text_printf(t, "%s. %s\n\n", s->title, s->help);
            for (size_t j = 0; j < s->count; j++)
                un_text_printf(t, "  %-18s %s (%s)\n", s->fields[j].key, s->fields[j].help, s->fields[j].def);
            return UNET_OK;
        }
        if (un_cfg_field_find(s, topic + n + 1)) {
            help_field(t, s, un_cfg_field_find(s, topic + n + 1));
            return UNET_OK;
        }
    }
    if (topic)
        return un_fail_file(err, UNET_E_ARG, topic, "no such section or key of the configuration");
    un_text_printf(t, "%-10s %s\n", "presets", "named sets of values");
    return UNET_OK;
}
