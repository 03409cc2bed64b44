/*
 * pickle_global.c -- the globals that a checkpoint may name, and what each stands for.
 *
 * None of them is ever looked up in a Python: a row is a construction of plain data. Rows of role
 * "inert" are bookkeeping that training programs leave beside the weights.
 */
#include <string.h>

#include "pickle.h"

static const struct vlp_global globals[] = {
    {"__torch__.*", VLP_GLOBAL_MODULE, 0},
    {"__torch__ *", VLP_GLOBAL_MODULE, 0}, /* a class of the script that wrote it */
    {"collections OrderedDict", VLP_GLOBAL_DICT, 0},
    {"collections defaultdict", VLP_GLOBAL_DICT, 0},
    {"builtins dict", VLP_GLOBAL_DICT, 0},
    {"__builtin__ dict", VLP_GLOBAL_DICT, 0},

    {"torch FloatStorage", VLP_GLOBAL_STORAGE, VLP_F32},
    {"torch HalfStorage", VLP_GLOBAL_STORAGE, VLP_F16},
    {"torch BFloat16Storage", VLP_GLOBAL_STORAGE, VLP_BF16},
    {"torch DoubleStorage", VLP_GLOBAL_STORAGE, VLP_F64},
    {"torch LongStorage", VLP_GLOBAL_STORAGE, VLP_I64},
    {"torch IntStorage", VLP_GLOBAL_STORAGE, VLP_I32},
    {"torch ShortStorage", VLP_GLOBAL_STORAGE, VLP_I16},
    {"torch CharStorage", VLP_GLOBAL_STORAGE, VLP_I8},
    {"torch ByteStorage", VLP_GLOBAL_STORAGE, VLP_U8},
    {"torch BoolStorage", VLP_GLOBAL_STORAGE, VLP_BOOL},
    {"torch.storage UntypedStorage", VLP_GLOBAL_STORAGE, VLP_DTYPE_COUNT},

    {"torch float32", VLP_GLOBAL_DTYPE, VLP_F32},
    {"torch float16", VLP_GLOBAL_DTYPE, VLP_F16},
    {"torch bfloat16", VLP_GLOBAL_DTYPE, VLP_BF16},
    {"torch float64", VLP_GLOBAL_DTYPE, VLP_F64},
    {"torch int64", VLP_GLOBAL_DTYPE, VLP_I64},
    {"torch int32", VLP_GLOBAL_DTYPE, VLP_I32},
    {"torch int16", VLP_GLOBAL_DTYPE, VLP_I16},
    {"torch int8", VLP_GLOBAL_DTYPE, VLP_I8},
    {"torch uint8", VLP_GLOBAL_DTYPE, VLP_U8},
    {"torch bool", VLP_GLOBAL_DTYPE, VLP_BOOL},

    {"torch._utils _rebuild_tensor", VLP_GLOBAL_TENSOR, 0},
    {"torch._utils _rebuild_tensor_v2", VLP_GLOBAL_TENSOR, 0},
    {"torch._utils _rebuild_tensor_v3", VLP_GLOBAL_TENSOR_V3, 0},
    {"torch._utils _rebuild_parameter", VLP_GLOBAL_FIRST, 0},
    {"torch._utils _rebuild_parameter_with_state", VLP_GLOBAL_FIRST, 0},
    {"torch.jit._pickle restore_type_tag", VLP_GLOBAL_FIRST, 0},
    {"torch.jit._pickle build_intlist", VLP_GLOBAL_FIRST, 0},
    {"torch.jit._pickle build_doublelist", VLP_GLOBAL_FIRST, 0},
    {"torch.jit._pickle build_boollist", VLP_GLOBAL_FIRST, 0},
    {"torch.jit._pickle build_tensorlist", VLP_GLOBAL_FIRST, 0},
    {"torch Size", VLP_GLOBAL_FIRST, 0},

    {"torch._tensor _rebuild_from_type_v2", VLP_GLOBAL_CALL, 0},

    /* storages and types of numbers that no weight here has */
    {"torch ComplexFloatStorage", VLP_GLOBAL_INERT, 0},
    {"torch ComplexDoubleStorage", VLP_GLOBAL_INERT, 0},
    {"torch QInt8Storage", VLP_GLOBAL_INERT, 0},
    {"torch QUInt8Storage", VLP_GLOBAL_INERT, 0},
    {"torch QInt32Storage", VLP_GLOBAL_INERT, 0},
    {"torch QUInt4x2Storage", VLP_GLOBAL_INERT, 0},
    {"torch QUInt2x4Storage", VLP_GLOBAL_INERT, 0},
    {"torch complex*", VLP_GLOBAL_INERT, 0},
    {"torch float8_*", VLP_GLOBAL_INERT, 0},
    {"torch float4_*", VLP_GLOBAL_INERT, 0},
    {"torch uint*", VLP_GLOBAL_INERT, 0},
    {"torch int*", VLP_GLOBAL_INERT, 0},
    {"torch bits*", VLP_GLOBAL_INERT, 0},
    {"torch qint*", VLP_GLOBAL_INERT, 0},
    {"torch quint*", VLP_GLOBAL_INERT, 0},
    {"torch per_tensor_*", VLP_GLOBAL_INERT, 0},
    {"torch per_channel_*", VLP_GLOBAL_INERT, 0},
    {"torch._utils _rebuild_qtensor", VLP_GLOBAL_INERT, 0},
    {"torch._utils _rebuild_sparse_tensor", VLP_GLOBAL_INERT, 0},
    {"torch._utils _rebuild_meta_tensor_no_storage", VLP_GLOBAL_INERT, 0},

    /* bookkeeping */
    {"torch device", VLP_GLOBAL_INERT, 0},
    {"torch Tensor", VLP_GLOBAL_INERT, 0},
    {"torch.nn.parameter Parameter", VLP_GLOBAL_INERT, 0},
    {"torch.nn.parameter Buffer", VLP_GLOBAL_INERT, 0},
    {"torch.serialization _get_layout", VLP_GLOBAL_INERT, 0},
    {"torch.torch_version TorchVersion", VLP_GLOBAL_INERT, 0},
    {"torch.optim.*", VLP_GLOBAL_INERT, 0},
    {"torch.amp.grad_scaler *", VLP_GLOBAL_INERT, 0},
    {"torch.cuda.amp.grad_scaler *", VLP_GLOBAL_INERT, 0},
    {"argparse Namespace", VLP_GLOBAL_INERT, 0},
    {"types SimpleNamespace", VLP_GLOBAL_INERT, 0},
    {"pathlib *", VLP_GLOBAL_INERT, 0},
    {"pathlib._local *", VLP_GLOBAL_INERT, 0},
    {"datetime *", VLP_GLOBAL_INERT, 0},
    {"builtins set", VLP_GLOBAL_INERT, 0},
    {"builtins frozenset", VLP_GLOBAL_INERT, 0},
    {"builtins bytearray", VLP_GLOBAL_INERT, 0},
    {"builtins complex", VLP_GLOBAL_INERT, 0},
    {"__builtin__ set", VLP_GLOBAL_INERT, 0},
    {"__builtin__ frozenset", VLP_GLOBAL_INERT, 0},
    {"__builtin__ bytearray", VLP_GLOBAL_INERT, 0},
    {"__builtin__ complex", VLP_GLOBAL_INERT, 0},
    {"collections Counter", VLP_GLOBAL_INERT, 0},
    {"collections deque", VLP_GLOBAL_INERT, 0},
    {"_codecs encode", VLP_GLOBAL_INERT, 0},
    {"numpy *", VLP_GLOBAL_INERT, 0},
    {"numpy.core.*", VLP_GLOBAL_INERT, 0},
    {"numpy._core.*", VLP_GLOBAL_INERT, 0},
    {"numpy.dtypes *", VLP_GLOBAL_INERT, 0},
    {"numpy.random.*", VLP_GLOBAL_INERT, 0},
    {"pytorch_lightning.*", VLP_GLOBAL_INERT, 0},
    {"lightning.*", VLP_GLOBAL_INERT, 0},
    {"lightning_fabric.*", VLP_GLOBAL_INERT, 0},
    {"omegaconf.*", VLP_GLOBAL_INERT, 0},
};

const struct vlp_global *vlp_global_find(const char *name)
{
    for (size_t i = 0; i < VLP_COUNT(globals); i++) {
        const size_t n = strlen(globals[i].name);
        const bool   any = globals[i].name[n - 1] == '*';
        if (any ? strncmp(name, globals[i].name, n - 1) == 0 : strcmp(name, globals[i].name) == 0)
            return &globals[i];
    }
    return NULL;
}
