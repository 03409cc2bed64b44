/*
 * comm.c -- several processes that train one model: MPI where it is built in, otherwise one
 * process.
 *
 * The program joins MPI only when a launcher started it, so that a single run needs no runtime.
 * Sums are made by gathering and adding in rank order: the same bits whatever algorithm the MPI
 * library prefers.
 */
#include <stdlib.h>
#include <string.h>

#include <vlp/train.h>

#ifdef VLP_HAVE_MPI
#include <mpi.h>

/* A call moves at most so many elements: counts are int in MPI. */
enum { PIECE = 1 << 20 };

/* Open MPI, MPICH and Slurm's PMI tell their children in the environment. */
static bool launched(void)
{
    static const char *const sign[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK",
                                       "SLURM_PROCID_MPI"};
    for (size_t i = 0; i < VLP_COUNT(sign); i++)
        if (getenv(sign[i])) return true;
    return false;
}

bool vlp_comm_has_mpi(void)
{
    return true;
}

enum vlp_status vlp_comm_open(struct vlp_comm *c, struct vlp_error *err)
{
    *c = (struct vlp_comm){.rank = 0, .size = 1};
    if (!launched()) return VLP_OK;
    int level;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS)
        return vlp_fail(err, VLP_ERR_IO, "MPI cannot be started");
    c->internal = c;
    MPI_Comm_rank(MPI_COMM_WORLD, &c->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &c->size);
    return VLP_OK;
}

void vlp_comm_close(struct vlp_comm *c)
{
    if (c->internal) MPI_Finalize();
    *c = (struct vlp_comm){.rank = 0, .size = 1};
}

void vlp_comm_abort(struct vlp_comm *c, int status)
{
    if (c->internal && c->size > 1) MPI_Abort(MPI_COMM_WORLD, status);
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
    const char *size = getenv("OMPI_COMM_WORLD_SIZE");
    *c = (struct vlp_comm){.rank = 0, .size = 1};
    /* Started n times by mpirun but unable to talk: n runs would write over each other. */
    if (size && atoi(size) > 1)
        return vlp_fail(err, VLP_ERR_SUPPORT,
                        "started by mpirun, but this build has no MPI (see -V)");
    return VLP_OK;
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
