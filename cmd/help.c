/*
 * help.c -- the table of options in words: --help, and the dump that completion is made from.
 */
#include <string.h>

#include "cmd_internal.h"

enum { HELP_COLUMN = 30, LINE_WIDTH = 79 };

/* Words of `text` from column `at` on, continued below HELP_COLUMN; ends the line. */
static void wrap(FILE *f, const char *text, int at, int indent)
{
    bool first = true;
    while (*text) {
        const int len = (int)strcspn(text, " ");
        if (!first && at + 1 + len > LINE_WIDTH) {
            fprintf(f, "\n%*s", indent, "");
            at = indent;
        } else if (!first) {
            putc(' ', f);
            at++;
        }
        fprintf(f, "%.*s", len, text);
        at += len;
        first = false;
        text += len;
        while (*text == ' ') text++;
    }
    putc('\n', f);
}

static void print_option(FILE *f, const struct cmd_option *o)
{
    char left[96], right[512];
    int  n = 0;
    if (o->letter)
        n += snprintf(left + n, sizeof left - (size_t)n, "  -%c%s", o->letter, o->name ? ", " : "");
    else
        n += snprintf(left + n, sizeof left - (size_t)n, "      ");
    if (o->name) n += snprintf(left + n, sizeof left - (size_t)n, "--%s", o->name);
    if (o->arg)
        n += snprintf(left + n, sizeof left - (size_t)n, "%s%s", o->name ? "=" : " ", o->arg);
    snprintf(right, sizeof right, "%s%s%s%s", o->help, o->preset ? " [" : "",
             o->preset ? o->preset : "", o->preset ? "]" : "");
    if (n < HELP_COLUMN - 1)
        fprintf(f, "%-*s", HELP_COLUMN, left);
    else
        fprintf(f, "%s\n%*s", left, HELP_COLUMN, "");
    wrap(f, right, HELP_COLUMN, HELP_COLUMN);
}

void cmd_print_help(FILE *f, const struct cmd_program *p)
{
    for (int i = 0; p->usage[i]; i++)
        fprintf(f, "%s %s %s\n", i == 0 ? "Usage:" : "      ", p->name, p->usage[i]);
    char summary[256];
    snprintf(summary, sizeof summary, "%s.", p->summary);
    if (summary[0] >= 'a' && summary[0] <= 'z') summary[0] = (char)(summary[0] - 'a' + 'A');
    wrap(f, summary, 0, 0);
    if (p->verbs) {
        fprintf(f, "\nVerbs:\n");
        for (int i = 0; p->verbs[i]; i++) {
            fprintf(f, "  %-12s", strrchr(p->verbs[i]->name, ' ') + 1);
            wrap(f, p->verbs[i]->summary, 14, 14);
        }
    }
    for (const struct cmd_option *o = p->options; o->kind != CMD_END; o++) {
        if (o->group) fprintf(f, "\n%s:\n", o->group);
        if (o->help) print_option(f, o);
    }
    if (p->notes) {
        putc('\n', f);
        for (const char *line = p->notes; *line;) {
            const size_t len = strcspn(line, "\n");
            char         text[1024];
            snprintf(text, sizeof text, "%.*s", (int)len, line);
            wrap(f, text, 0, 0);
            line += len + (line[len] == '\n');
        }
    }
}

static const char *kind_name(const struct cmd_option *o)
{
    if (!cmd_takes_argument(o->kind)) return "flag";
    if (o->choices) return "choice";
    if (o->kind == CMD_INT || o->kind == CMD_FLOAT) return "number";
    const char *arg = o->arg;
    if (strcmp(arg, "DIR") == 0) return "dir";
    if (strcmp(arg, "FILE") == 0 || strcmp(arg, "LIST") == 0 || strcmp(arg, "MODEL") == 0)
        return "file";
    return "text";
}

static void print_completion_of(FILE *f, const struct cmd_program *p, const char *verb)
{
    for (const struct cmd_option *o = p->options; o->kind != CMD_END; o++) {
        if (!o->help) continue;
        fprintf(f, "option\t%s\t%c\t%s\t%s\t%s\t", verb, o->letter ? o->letter : '-',
                o->name ? o->name : "-", o->arg ? o->arg : "-", kind_name(o));
        for (int i = 0; o->choices && o->choices[i]; i++)
            fprintf(f, "%s%s", i ? "," : "", o->choices[i]);
        fprintf(f, "%s\t%s\t%s\n", o->choices ? "" : "-", o->preset ? o->preset : "-", o->help);
    }
}

/*
 * Tab-separated lines:
 *   program  NAME  summary
 *   verb     NAME  summary
 *   option   VERB  letter  long name  argument  kind  choices  default  help     (each may be "-")
 */
void cmd_print_completion(FILE *f, const struct cmd_program *p)
{
    fprintf(f, "program\t%s\t%s\n", p->name, p->summary);
    print_completion_of(f, p, "-");
    for (int i = 0; p->verbs && p->verbs[i]; i++) {
        const char *verb = strrchr(p->verbs[i]->name, ' ') + 1;
        fprintf(f, "verb\t%s\t%s\n", verb, p->verbs[i]->summary);
        print_completion_of(f, p->verbs[i], verb);
    }
}
