/*
 * comm.c -- several processes that train one model: MPI where it is built in, otherwise one
 * process.
 *
 * The program joins MPI only when a launcher started it, so that a single run needs no runtime.
 * One that a launcher started beside others, but that cannot join them, is refused.
 * Sums are made by gathering and adding in rank order: the same bits whatever algorithm the MPI
 * library prefers.
 */
#include <stdlib.h>
#include <string.h>

#include <vlp/train.h>

/*
 * What launchers tell their children in the environment, the nearest first: mpirun starts its own
 * daemons with srun. SLURM_NTASKS is no sign, as a script in an allocation has it too; nor is a
 * PMIX_RANK of 0, which a process that is alone may have.
 */
static const struct launcher {
    const char *name, *variable;
    int         alone; /* the most that the variable says to a process without others */
    bool        joins; /* MPI can be asked for the others */
} launchers[] = {
    {"Open MPI's mpirun", "OMPI_COMM_WORLD_SIZE", 1, true},
    {"MVAPICH's mpirun", "MV2_COMM_WORLD_SIZE", 1, true},
    {"mpirun of MPICH or Intel MPI", "PMI_SIZE", 1, true},
    {"Slurm's srun", "SLURM_STEP_NUM_TASKS", 1, false},
    {"a launcher with PMIx", "PMIX_RANK", 0, true},
};

/* The launcher that started other processes beside this one; NULL: none did. */
static const struct launcher *started_several(void)
{
    for (size_t i = 0; i < VLP_COUNT(launchers); i++) {
        const char *value = getenv(launchers[i].variable);
        if (value && atoi(value) > launchers[i].alone) return &launchers[i];
        if (value && launchers[i].alone == 1) break; /* a size of 1 settles it */
    }
    return NULL;
}

/* Several processes that cannot talk would each make the whole run and write over each other. */
static enum vlp_status must_be_alone(const char *why, struct vlp_error *err)
{
    const struct launcher *l = started_several();
    if (!l) return VLP_OK;
    return vlp_fail(err, VLP_ERR_SUPPORT,
                    "one of several processes, started by %s (%s=%s), but %s: each would make the "
                    "whole run (unset the variable where that is meant)",
                    l->name, l->variable, getenv(l->variable), why);
}

#ifdef VLP_HAVE_MPI
#include <mpi.h>

/* A call moves at most so many elements: counts are int in MPI. */
enum { PIECE = 1 << 20 };

static bool may_join(void)
{
    for (size_t i = 0; i < VLP_COUNT(launchers); i++)
        if (launchers[i].joins && getenv(launchers[i].variable)) return true;
    return false;
}

bool vlp_comm_has_mpi(void)
{
    return true;
}

enum vlp_status vlp_comm_open(struct vlp_comm *c, struct vlp_error *err)
{
    *c = (struct vlp_comm){.rank = 0, .size = 1};
    /* Asked first: MPI changes the variables when it finds no launcher. */
    const enum vlp_status s = must_be_alone("MPI finds none of the others", err);
    if (!may_join()) return s;
    int level;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS)
        return vlp_fail(err, VLP_ERR_IO, "MPI cannot be started");
    c->joined = true;
    MPI_Comm_rank(MPI_COMM_WORLD, &c->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &c->size);
    return c->size > 1 ? VLP_OK : s;
}

void vlp_comm_close(struct vlp_comm *c)
{
    if (c->joined) MPI_Finalize();
    *c = (struct vlp_comm){.rank = 0, .size = 1};
}

void vlp_comm_abort(struct vlp_comm *c, int status)
{
    if (c->joined && c->size > 1) MPI_Abort(MPI_COMM_WORLD, status);
}

void vlp_comm_gather(struct vlp_comm *c, float *all, const float *own, size_t n)
{
    if (c->size == 1) {
        memcpy(all, own, n * sizeof *all);
        return;
    }
    float *part = vlp_malloc((n < PIECE ? n : PIECE) * (size_t)c->size * sizeof *part);
    for (size_t at = 0; at < n; at += PIECE) {
        const size_t k = n - at < PIECE ? n - at : PIECE;
        MPI_Allgather(own + at, (int)k, MPI_FLOAT, part, (int)k, MPI_FLOAT, MPI_COMM_WORLD);
        for (int r = 0; r < c->size; r++)
            memcpy(all + (size_t)r * n + at, part + (size_t)r * k, k * sizeof *all);
    }
    free(part);
}

void vlp_comm_sum(struct vlp_comm *c, float *data, size_t n)
{
    if (c->size == 1) return;
    const size_t most = n < PIECE ? n : PIECE;
    float       *part = vlp_malloc(most * (size_t)c->size * sizeof *part);
    for (size_t at = 0; at < n; at += PIECE) {
        const size_t k = n - at < PIECE ? n - at : PIECE;
        MPI_Allgather(data + at, (int)k, MPI_FLOAT, part, (int)k, MPI_FLOAT, MPI_COMM_WORLD);
        for (size_t i = 0; i < k; i++) {
            float sum = part[i];
            for (int r = 1; r < c->size; r++) sum += part[(size_t)r * k + i];
            data[at + i] = sum;
        }
    }
    free(part);
}

void vlp_comm_sum_f64(struct vlp_comm *c, double *data, size_t n)
{
    if (c->size == 1) return;
    double *part = vlp_malloc(n * (size_t)c->size * sizeof *part);
    MPI_Allgather(data, (int)n, MPI_DOUBLE, part, (int)n, MPI_DOUBLE, MPI_COMM_WORLD);
    for (size_t i = 0; i < n; i++) {
        data[i] = part[i];
        for (int r = 1; r < c->size; r++) data[i] += part[(size_t)r * n + i];
    }
    free(part);
}

void vlp_comm_barrier(struct vlp_comm *c)
{
    if (c->size > 1) MPI_Barrier(MPI_COMM_WORLD);
}

#else

bool vlp_comm_has_mpi(void)
{
    return false;
}

enum vlp_status vlp_comm_open(struct vlp_comm *c, struct vlp_error *err)
{
    *c = (struct vlp_comm){.rank = 0, .size = 1};
    return must_be_alone("this build has no MPI (see -V)", err);
}

void vlp_comm_close(struct vlp_comm *c)
{
    (void)c;
}

void vlp_comm_abort(struct vlp_comm *c, int status)
{
    (void)c, (void)status;
}

void vlp_comm_gather(struct vlp_comm *c, float *all, const float *own, size_t n)
{
    (void)c;
    memcpy(all, own, n * sizeof *all);
}

void vlp_comm_sum(struct vlp_comm *c, float *data, size_t n)
{
    (void)c, (void)data, (void)n;
}

void vlp_comm_sum_f64(struct vlp_comm *c, double *data, size_t n)
{
    (void)c, (void)data, (void)n;
}

void vlp_comm_barrier(struct vlp_comm *c)
{
    (void)c;
}

#endif

enum vlp_status vlp_comm_agree(struct vlp_comm *c, enum vlp_status mine, int *first)
{
    const float     own = (float)mine; /* small whole numbers stay themselves */
    float          *all = vlp_malloc((size_t)c->size * sizeof *all);
    enum vlp_status s = VLP_OK;
    vlp_comm_gather(c, all, &own, 1);
    *first = -1;
    for (int r = c->size - 1; r >= 0; r--) {
        const enum vlp_status theirs = (enum vlp_status)all[r];
        if (theirs == VLP_OK) continue;
        s = theirs;
        *first = r;
    }
    free(all);
    return s;
}
