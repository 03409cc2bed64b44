/*
 * model_lines.c -- how the verbs of vlp-model that print TSV print it: column names, JSON instead.
 */
#include <math.h>
#include <string.h>

#include "model_verbs.h"

struct model_lines model_lines;

void model_begin_lines(const char *columns)
{
    if (model_lines.header && model_lines.json)
        cmd_usage_error("--header is for TSV, not for --json");
    if (model_lines.header) printf("%s\n", columns);
}

void model_put_verdict(const char *name, double absolute, double relative, const char *trouble,
                       bool good)
{
    if (model_lines.json) {
        printf("{\"name\": ");
        cmd_put_json(stdout, name, strlen(name));
        if (*trouble)
            printf(", \"trouble\": \"%s\"", trouble);
        else if (isfinite(absolute))
            printf(", \"absolute\": %.3g, \"relative\": %.3g", absolute, relative);
        else
            printf(", \"absolute\": null, \"relative\": null");
        printf(", \"ok\": %s}\n", good ? "true" : "false");
    } else if (*trouble) {
        printf("%s\t-\t-\t%s: %s\n", name, good ? "left out" : "FAILED", trouble);
    } else {
        printf("%s\t%.3g\t%.3g\t%s\n", name, absolute, relative, good ? "ok" : "FAILED");
    }
}
