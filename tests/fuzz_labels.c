/*
 * fuzz_labels.c -- any bytes as what the programs read beside vectors: class names, templates,
 * right answers, the figures of a run. The first byte chooses which, and by what ending.
 */
#include <string.h>

#include <vlp/classify.h>
#include <vlp/train.h>

#include "fuzz.h"

static void read_labels(const char *path)
{
    struct vlp_labels l;
    if (vlp_labels_read(&l, path, NULL) != VLP_OK) return;
    for (int i = 0; i < l.n; i++) {
        if (!l.label[i].name || l.label[i].n_names < 1) abort();
        for (int k = 0; k < l.label[i].n_names; k++) vlp_hash64(l.label[i].names[k], 1);
        for (int k = 0; k < l.label[i].n_prompts; k++) vlp_hash64(l.label[i].prompts[k], 1);
    }
    vlp_labels_free(&l);
}

static void read_templates(const char *path)
{
    struct vlp_templates t;
    if (vlp_templates_read(&t, path, NULL) != VLP_OK) return;
    for (int i = 0; i < t.n; i++)
        if (!strstr(t.text[i], "{}")) abort();
    vlp_templates_free(&t);
}

static void read_truth(const char *path)
{
    struct vlp_truth *t;
    if (vlp_truth_read(&t, path, NULL) != VLP_OK) return;
    for (int i = 0; i < vlp_truth_count(t); i++) {
        const char *id, *label;
        vlp_truth_entry(t, i, &id, &label);
        if (!*label || (strlen(id) && !vlp_truth_of(t, id, strlen(id)))) abort();
    }
    vlp_truth_free(t);
}

static void read_metrics(const char *path)
{
    vlp_plot_metrics(path, "/dev/null", true, NULL);
}

/* A list as an option gives it. */
static void parse_labels(const char *list)
{
    struct vlp_labels l;
    if (vlp_labels_parse(&l, list, NULL) == VLP_OK) vlp_labels_free(&l);
}

static const struct {
    void (*read)(const char *path);
    const char *name;
} readers[] = {
    {read_labels, "labels"},         {read_templates, "templates"}, {read_truth, "truth"},
    {read_truth, "truth.csv"},       {read_truth, "truth.npy"},     {read_truth, "truth.json"},
    {read_metrics, "metrics.jsonl"},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char  file[64];
    static char *path[VLP_COUNT(readers)];
    static int   fd = -1;
    if (size == 0) return 0;
    if (fd < 0) {
        fd = fuzz_file(file);
        for (size_t i = 0; i < VLP_COUNT(readers); i++)
            path[i] = fuzz_link(file, "labels", readers[i].name);
    }
    const size_t which = data[0] % (VLP_COUNT(readers) + 1);
    if (which == VLP_COUNT(readers)) {
        char *list = vlp_strndup((const char *)data + 1, size - 1);
        parse_labels(list);
        free(list);
        return 0;
    }
    fuzz_put(fd, data + 1, size - 1);
    readers[which].read(path[which]);
    return 0;
}
