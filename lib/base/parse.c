/*
 * parse.c -- numbers and UTF-8 in text, the same in every locale.
 */
#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vlp/base.h>

double vlp_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int64_t vlp_nanoseconds(int64_t seconds, int64_t nanoseconds)
{
    int64_t    t;
    const bool over = __builtin_mul_overflow(seconds, INT64_C(1000000000), &t) ||
                      __builtin_add_overflow(t, nanoseconds, &t);
    return over ? -1 : t;
}

bool vlp_parse_i64(const char *s, int64_t *out)
{
    if (!(*s >= '0' && *s <= '9') && *s != '-' && *s != '+')
        return false; /* strtoll skips spaces */
    char *end;
    errno = 0;
    const long long v = strtoll(s, &end, 10);
    if (errno || end == s || *end) return false;
    *out = v;
    return true;
}

/*
 * strtod and printf follow the process's locale. The programs never call setlocale for LC_NUMERIC,
 * but a library may be used by one that does, so numbers go through a C locale of their own.
 */
static locale_t       shared_c_locale;
static pthread_once_t made_c_locale = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    shared_c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static locale_t c_locale(void)
{
    pthread_once(&made_c_locale, make_c_locale);
    return shared_c_locale;
}

/* strtod skips spaces */
static bool begins_number(const char *s)
{
    return !(*s == '\0' || *s == ' ' || (*s >= '\t' && *s <= '\r'));
}

bool vlp_parse_f64(const char *s, double *out)
{
    if (!begins_number(s)) return false;
    char        *end;
    const double v = strtod_l(s, &end, c_locale());
    if (end == s || *end) return false;
    *out = v;
    return true;
}

bool vlp_parse_f32(const char *s, float *out)
{
    if (!begins_number(s)) return false;
    char       *end;
    const float v = strtof_l(s, &end, c_locale());
    if (end == s || *end) return false;
    *out = v;
    return true;
}

/* Rounded to FLT_DIG or DBL_DIG digits, what has no more of them is itself, trailing zeros left
 * out. Below the normal numbers, where digits are few, that does not hold: there one is tried
 * first. */
int vlp_format_f64(char out[32], double v)
{
    const locale_t old = uselocale(c_locale());
    int            n = 0;
    for (int digits = fabs(v) < DBL_MIN ? 1 : DBL_DIG; digits <= 17; digits++) {
        n = snprintf(out, 32, "%.*g", digits, v);
        if (isnan(v) || strtod(out, NULL) == v) break;
    }
    uselocale(old);
    return n;
}

int vlp_format_f32(char out[32], float v)
{
    const locale_t old = uselocale(c_locale());
    int            n = 0;
    for (int digits = fabsf(v) < FLT_MIN ? 1 : FLT_DIG; digits <= 9; digits++) {
        n = snprintf(out, 32, "%.*g", digits, (double)v);
        if (isnan(v) || strtof(out, NULL) == v) break;
    }
    uselocale(old);
    return n;
}

int32_t vlp_utf8_next(const char **s, const char *end)
{
    const uint8_t *p = (const uint8_t *)*s;
    const size_t   left = (size_t)(end - *s);
    const uint8_t  c = p[0];
    static const struct {
        uint8_t  lead, mask;
        uint32_t least; /* smaller code points have a shorter form */
    } form[] = {{0xc0, 0xe0, 0x80}, {0xe0, 0xf0, 0x800}, {0xf0, 0xf8, 0x10000}};
    if (c < 0x80) {
        *s += 1;
        return c;
    }
    for (size_t k = 0; k < VLP_COUNT(form); k++) {
        if ((c & form[k].mask) != form[k].lead) continue;
        const size_t len = k + 2;
        uint32_t     v = c & (uint8_t)~form[k].mask;
        if (len > left) break;
        for (size_t i = 1; i < len; i++) {
            if ((p[i] & 0xc0) != 0x80) goto invalid;
            v = v << 6 | (p[i] & 0x3f);
        }
        if (v < form[k].least || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) break;
        *s += len;
        return (int32_t)v;
    }
invalid:
    *s += 1;
    return -1;
}

size_t vlp_bom_length(const void *text, size_t len)
{
    static const char mark[] = "\xef\xbb\xbf";
    const size_t      n = sizeof mark - 1;
    return len >= n && memcmp(text, mark, n) == 0 ? n : 0;
}

bool vlp_utf8_valid(const char *s, size_t len, size_t *bad)
{
    const char *p = s, *end = s + len;
    while (p < end) {
        const char *at = p;
        if (vlp_utf8_next(&p, end) >= 0) continue;
        if (bad) *bad = (size_t)(at - s);
        return false;
    }
    return true;
}

int vlp_utf8_put(char out[4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    const int n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00 >> n) | c);
    return n;
}
