/* A small checker of markup for tests: tags nest and close, attributes are quoted, no bare & or <, nothing
 * refers outside. */
#ifndef UN_TEST_MARKUP_H
#define UN_TEST_MARKUP_H

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int markup_is_void(const char *name)
{
    return !strcmp(name, "meta") || !strcmp(name, "img") || !strcmp(name, "br") || !strcmp(name, "hr");
}

static const char *markup_attributes(const char *p, const char **why)
{
    for (;;) {
        while (isspace((unsigned char)*p))
            p++;
        if (!*p || *p == '>' || *p == '/' || *p == '?')
            return p;
        while (isalnum((unsigned char)*p) || *p == '-' || *p == ':')
            p++;
        if (*p != '=') {
            if (isspace((unsigned char)*p) || *p == '>')
                continue; /* an attribute without a value, as HTML allows */
            *why = "an attribute's name is odd";
            return p;
        }
        if (p[1] != '"') {
            *why = "an attribute is not quoted";
            return p;
        }
        for (p += 2; *p && *p != '"'; p++)
            if (*p == '<') {
                *why = "< inside an attribute";
                return p;
            }
        if (!*p) {
            *why = "an attribute does not end";
            return p;
        }
        p++;
    }
}

static int markup_entity_ok(const char *p)
{
    const char *end = strchr(p, ';');

    return end && end - p < 8 && end - p > 1;
}

/* NULL when all is well, else what is wrong. at: where. */
static const char *markup_check(const char *s, const char **at)
{
    char open[64][24], name[24];
    const char *p = s, *why = NULL;
    int depth = 0, closing, n;

    for (; *p; p++) {
        *at = p;
        if (*p == '&' && !markup_entity_ok(p))
            return "a bare &";
        if (*p != '<')
            continue;
        if (p[1] == '!' || p[1] == '?') {
            p = strchr(p, '>');
            if (!p)
                return "a declaration does not end";
            continue;
        }
        closing = p[1] == '/';
        p += 1 + closing;
        for (n = 0; n < 23 && isalnum((unsigned char)*p); n++)
            name[n] = *p++;
        name[n] = 0;
        if (!n)
            return "a bare <";
        p = markup_attributes(p, &why);
        if (why)
            return why;
        if (*p == '/' && p[1] == '>') {
            p++;
            continue;
        }
        if (*p != '>')
            return "a tag does not end";
        if (closing && (!depth || strcmp(open[--depth], name)))
            return "a tag closes another one";
        if (!closing && !markup_is_void(name)) {
            if (depth == 64)
                return "too deep";
            memcpy(open[depth++], name, sizeof name);
        }
        if (!closing && (!strcmp(name, "style") || !strcmp(name, "script"))) {
            p = strstr(p, "</");
            if (!p)
                return "a style does not end";
            p--;
        }
    }
    return depth ? "a tag stays open" : NULL;
}

static int markup_refers_outside(const char *s)
{
    return strstr(s, "http:") || strstr(s, "https:") || strstr(s, "src=\"/") || strstr(s, "@import") ||
           strstr(s, "url(");
}

#endif
