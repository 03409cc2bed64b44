/*
 * options.c -- the table of options at work: parsing, usage errors, what was given.
 */
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd_internal.h"

struct cmd_common cmd_common;

static const struct cmd_program *current; /* the program, or the verb, being run */
static const struct cmd_program *whole;   /* the program itself */
static bool                     *given;   /* per row of current->options */

const char *cmd_program_name(void)
{
    return whole ? whole->name : "vlp";
}

void cmd_say_where_to_look(void)
{
    fprintf(stderr, "Try '%s --help'.\n", current ? current->name : cmd_program_name());
}

void cmd_usage_error(const char *fmt, ...)
{
    char    text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    cmd_error("%s", text);
    cmd_say_where_to_look();
    exit(CMD_USAGE);
}

bool cmd_takes_argument(enum cmd_kind kind)
{
    switch (kind) {
    case CMD_STRING:
    case CMD_INT:
    case CMD_FLOAT:
    case CMD_CHOICE:
    case CMD_LIST:
    case CMD_CALL: return true;
    default: return false;
    }
}

/* "-m" or "--model", as the user is likely to have written it. */
static const char *spelled(const struct cmd_option *o)
{
    static char name[64];
    if (o->name)
        snprintf(name, sizeof name, "--%s", o->name);
    else
        snprintf(name, sizeof name, "-%c", o->letter);
    return name;
}

/* A whole number with an optional K, M or G (powers of 1000 are nobody's batch size: 1024). */
static bool parse_count(const char *s, int64_t *out)
{
    static const char suffix[] = "KMG";
    const size_t      len = strlen(s);
    const char       *at = len > 1 ? strchr(suffix, s[len - 1]) : NULL;
    if (!at) return vlp_parse_i64(s, out);
    char *digits = vlp_strndup(s, len - 1);
    bool  ok = vlp_parse_i64(digits, out);
    free(digits);
    const int shift = 10 * (int)(at - suffix + 1);
    return ok && !__builtin_mul_overflow(*out, (int64_t)1 << shift, out);
}

static void take_int(const struct cmd_option *o, const char *value)
{
    int64_t v;
    if (!parse_count(value, &v))
        cmd_usage_error("%s wants a whole number, not '%s'", spelled(o), value);
    if ((o->min != 0 || o->max != 0) && ((double)v < o->min || (double)v > o->max))
        cmd_usage_error("%s wants a number from %.0f to %.0f, not %s", spelled(o), o->min, o->max,
                        value);
    *(int64_t *)o->target = v;
}

/* A number; where it is a time of `unit` seconds, with an optional s, m or h. */
static bool parse_number(const char *s, double unit, double *out)
{
    static const struct {
        char   letter;
        double seconds;
    } times[] = {{'s', 1}, {'m', 60}, {'h', 3600}};
    const size_t len = strlen(s);
    for (size_t i = 0; unit > 0 && len > 1 && i < VLP_COUNT(times); i++) {
        if (s[len - 1] != times[i].letter) continue;
        char      *digits = vlp_strndup(s, len - 1);
        const bool ok = vlp_parse_f64(digits, out);
        free(digits);
        if (ok) *out *= times[i].seconds / unit;
        return ok;
    }
    return vlp_parse_f64(s, out);
}

static void take_float(const struct cmd_option *o, const char *value)
{
    double v;
    if (!parse_number(value, o->unit, &v) || isnan(v))
        cmd_usage_error("%s wants a %s, not '%s'", spelled(o), o->unit > 0 ? "time" : "number",
                        value);
    if ((o->min != 0 || o->max != 0) && (v < o->min || v > o->max)) {
        char min[32], max[32]; /* to the last digit: 0.9999999 is not 1 */
        vlp_format_f64(min, o->min);
        vlp_format_f64(max, o->max);
        cmd_usage_error("%s wants a number from %s to %s, not %s", spelled(o), min, max, value);
    }
    *(double *)o->target = v;
}

static void take_choice(const struct cmd_option *o, const char *value)
{
    for (int i = 0; o->choices[i]; i++)
        if (strcmp(o->choices[i], value) == 0) {
            *(int *)o->target = i;
            return;
        }
    struct vlp_buf all = {0};
    for (int i = 0; o->choices[i]; i++)
        vlp_buf_printf(&all, "%s%s",
                       i == 0              ? ""
                       : o->choices[i + 1] ? ", "
                                           : " or ",
                       o->choices[i]);
    cmd_usage_error("%s wants %s, not '%s'", spelled(o), all.data, value);
}

bool cmd_one_of(const char *const *list, const char *value, const char **out, char why[256])
{
    int n = snprintf(why, 256, "'%s' is none of", value);
    for (int i = 0; list[i]; i++) {
        if (strcmp(list[i], value) == 0) {
            *out = list[i];
            return true;
        }
        if (n < 256) n += snprintf(why + n, (size_t)(256 - n), "%s %s", i ? "," : "", list[i]);
    }
    return false;
}

void cmd_list_add(struct cmd_list *l, const char *value)
{
    l->item = vlp_realloc(l->item, (size_t)(l->n + 2) * sizeof *l->item);
    l->item[l->n++] = value;
    l->item[l->n] = NULL;
}

void cmd_check_templates(const struct cmd_list *l)
{
    for (int i = 0; i < l->n; i++)
        if (!strstr(l->item[i], "{}")) cmd_usage_error("the template '%s' has no {}", l->item[i]);
}

static void take_call(const struct cmd_option *o, const char *value)
{
    char why[256] = "";
    if (!o->call(o->target, value, why)) cmd_usage_error("%s: %s", spelled(o), why);
}

static void take(const struct cmd_option *o, const char *value)
{
    switch (o->kind) {
    case CMD_FLAG: *(bool *)o->target = true; break;
    case CMD_UNFLAG: *(bool *)o->target = false; break;
    case CMD_COUNT: ++*(int *)o->target; break;
    case CMD_STRING: *(const char **)o->target = value; break;
    case CMD_INT: take_int(o, value); break;
    case CMD_FLOAT: take_float(o, value); break;
    case CMD_CHOICE: take_choice(o, value); break;
    case CMD_LIST: cmd_list_add(o->target, value); break;
    case CMD_CALL: take_call(o, value); break;
    case CMD_HELP: cmd_print_help(stdout, current); exit(cmd_finish(CMD_OK));
    case CMD_VERSION: cmd_version();
    case CMD_COMPLETION: cmd_print_completion(stdout, whole); exit(cmd_finish(CMD_OK));
    case CMD_END: break;
    }
}

/* Why getopt_long said '?': the argument it stopped at, in words. */
static _Noreturn void bad_option(int argc, char **argv, const struct cmd_option *table)
{
    const char *at = optind > 0 && optind <= argc ? argv[optind - 1] : "";
    if (optopt && strncmp(at, "--", 2) != 0) cmd_usage_error("unknown option '-%c'", optopt);
    const size_t len = strcspn(at, "=");
    int          alike = 0;
    for (const struct cmd_option *o = table; o->kind != CMD_END; o++)
        if (o->name && len > 2 && strncmp(o->name, at + 2, len - 2) == 0) alike++;
    if (alike > 1) cmd_usage_error("'%.*s' could be several options", (int)len, at);
    if (alike == 1) cmd_usage_error("'%.*s' takes no value", (int)len, at);
    cmd_usage_error("unknown option '%.*s'", (int)len, at);
}

enum { LONG_BASE = 1000 }; /* getopt's value of row i: above every letter */

/* The table as getopt_long wants it. */
struct getopt_tables {
    struct option *longs;
    char          *shorts;
};

/* And start afresh. */
static struct getopt_tables open_tables(const struct cmd_option *table)
{
    int n = 0;
    while (table[n].kind != CMD_END) n++;
    struct option *longs = vlp_calloc((size_t)n + 1, sizeof *longs);
    char          *shorts = vlp_malloc(2 * (size_t)n + 2), *s = shorts;
    *s++ = ':'; /* tell a missing argument from an unknown option */
    for (int i = 0, k = 0; i < n; i++) {
        const int has = cmd_takes_argument(table[i].kind);
        if (table[i].letter) {
            *s++ = table[i].letter;
            if (has) *s++ = ':';
        }
        if (table[i].name)
            longs[k++] = (struct option){table[i].name, has ? required_argument : no_argument, NULL,
                                         LONG_BASE + i};
    }
    *s = '\0';
    opterr = 0;
    optind = 0;
    return (struct getopt_tables){longs, shorts};
}

/* The row that getopt_long's answer stands for. */
static int row_of(const struct cmd_option *table, int c)
{
    int row = c - LONG_BASE;
    if (c < LONG_BASE)
        for (row = 0; table[row].letter != c;) row++;
    return row;
}

static void close_tables(struct getopt_tables *t)
{
    free(t->longs);
    free(t->shorts);
}

const char *cmd_value_of(const struct cmd_program *p, int argc, char *const *argv, const char *name)
{
    struct getopt_tables t = open_tables(p->options);
    char               **own = vlp_malloc(((size_t)argc + 1) * sizeof *own); /* getopt reorders */
    const char          *value = NULL;
    memcpy(own, argv, (size_t)argc * sizeof *own);
    own[argc] = NULL;
    for (int c; (c = getopt_long(argc, own, t.shorts, t.longs, NULL)) != -1;) {
        if (c == '?' || c == ':') continue;
        const char *found = p->options[row_of(p->options, c)].name;
        if (found && strcmp(found, name) == 0) value = optarg;
    }
    free(own);
    close_tables(&t);
    return value;
}

static int parse(const struct cmd_option *table, int argc, char **argv)
{
    struct getopt_tables t = open_tables(table);
    int                  n = 0;
    while (table[n].kind != CMD_END) n++;
    given = vlp_calloc((size_t)n + 1, sizeof *given);
    for (int c; (c = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1;) {
        if (c == '?') bad_option(argc, argv, table);
        if (c == ':') cmd_usage_error("option '%s' wants a value", argv[optind - 1]);
        const int row = row_of(table, c);
        given[row] = true;
        take(&table[row], optarg);
    }
    close_tables(&t);
    return optind;
}

bool cmd_given(const char *name)
{
    for (int i = 0; current->options[i].kind != CMD_END; i++)
        if (current->options[i].name && strcmp(current->options[i].name, name) == 0)
            return given[i];
    return false;
}

void cmd_refuse_idle(const struct cmd_need *need, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!need[i].met && cmd_given(need[i].option))
            cmd_usage_error("--%s %s", need[i].option, need[i].why);
}

void cmd_warn_of_idle(const struct cmd_need *need, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!need[i].met && cmd_given(need[i].option))
            cmd_warn("--%s %s; here it does nothing", need[i].option, need[i].why);
}

void cmd_warn_of_all_but(const char *const *used, const char *why)
{
    for (const struct cmd_option *o = current->options; o->kind != CMD_END; o++) {
        bool of_use = !o->name || o->kind == CMD_COUNT || o->target == &cmd_common.progress;
        for (const char *const *u = used; *u && !of_use; u++) of_use = strcmp(*u, o->name) == 0;
        const struct cmd_need need = {o->name, of_use, why};
        cmd_warn_of_idle(&need, 1);
    }
}

/* Whoever started us may have closed some of the three: then no file of ours gets their numbers,
 * and using them fails as it would. */
static void keep_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1) open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* Whoever started us may have set them not to block, which no reader or writer of ours could go on
 * from. That is theirs as well: we open the pipe or terminal for ourselves, and only what cannot be
 * opened again, a socket, is set to block. */
static void wait_in_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        char        path[32];
        struct stat st;
        const int   how = fcntl(fd, F_GETFL);
        if (how == -1 || !(how & O_NONBLOCK) || fstat(fd, &st) != 0) continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int own = -1; /* a file has a place to go on from; a pipe that nobody reads never opens */
        if (S_ISFIFO(st.st_mode) || isatty(fd))
            own = open(path, (how & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (own >= 0) dup2(own, fd);
        if (own >= 0) close(own);
        fcntl(fd, F_SETFL, how & ~O_NONBLOCK);
    }
}

void cmd_begin(const struct cmd_program *p)
{
    keep_standard_streams();
    wait_in_standard_streams();
    whole = current = p;
    cmd_messages_start(p->name);
}

int cmd_start(const struct cmd_program *p, int argc, char **argv)
{
    cmd_begin(p);
    cmd_signals_start();
    return parse(p->options, argc, argv);
}

int cmd_start_verb(const struct cmd_program *p, int argc, char **argv)
{
    cmd_begin(p);
    cmd_signals_start();
    if (argc < 2 || argv[1][0] == '-') {
        parse(p->options, argc < 2 ? argc : 2, argv);
        cmd_usage_error("name a verb: what to do");
    }
    const struct cmd_program *const *at = p->verbs;
    while (*at && strcmp(strrchr((*at)->name, ' ') + 1, argv[1]) != 0) at++;
    if (!*at) cmd_usage_error("unknown verb '%s'", argv[1]);
    const struct cmd_program *v = *at;
    current = v;
    argv++;
    argc--;
    const int first = parse(v->options, argc, argv);
    /* The verb sees its operands from index 1. */
    return v->run(argc - first + 1, argv + first - 1);
}
