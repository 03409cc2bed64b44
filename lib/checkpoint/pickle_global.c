/*
 * pickle_global.c -- the globals that a checkpoint may name, and what each stands for.
 *
 * None of them is ever looked up in a Python: a row is a construction of plain data. Rows of role
 * "inert" are bookkeeping that training programs leave beside the weights.
 */
#include <string.h>

#include "pickle.h"

static const struct vlp_global globals[] = {
    {"__torch__.*", VLP_GLOBAL_MODULE, 0, NULL},
    {"__torch__ *", VLP_GLOBAL_MODULE, 0, NULL}, /* a class of the script that wrote it */
    {"collections OrderedDict", VLP_GLOBAL_DICT, 0, NULL},
    {"collections defaultdict", VLP_GLOBAL_DICT, 0, NULL},
    {"builtins dict", VLP_GLOBAL_DICT, 0, NULL},
    {"__builtin__ dict", VLP_GLOBAL_DICT, 0, NULL},

    {"torch FloatStorage", VLP_GLOBAL_STORAGE, VLP_F32, NULL},
    {"torch HalfStorage", VLP_GLOBAL_STORAGE, VLP_F16, NULL},
    {"torch BFloat16Storage", VLP_GLOBAL_STORAGE, VLP_BF16, NULL},
    {"torch DoubleStorage", VLP_GLOBAL_STORAGE, VLP_F64, NULL},
    {"torch LongStorage", VLP_GLOBAL_STORAGE, VLP_I64, NULL},
    {"torch IntStorage", VLP_GLOBAL_STORAGE, VLP_I32, NULL},
    {"torch ShortStorage", VLP_GLOBAL_STORAGE, VLP_I16, NULL},
    {"torch CharStorage", VLP_GLOBAL_STORAGE, VLP_I8, NULL},
    {"torch ByteStorage", VLP_GLOBAL_STORAGE, VLP_U8, NULL},
    {"torch BoolStorage", VLP_GLOBAL_STORAGE, VLP_BOOL, NULL},
    {"torch.storage UntypedStorage", VLP_GLOBAL_STORAGE, VLP_DTYPE_COUNT, NULL},

    {"torch float32", VLP_GLOBAL_DTYPE, VLP_F32, NULL},
    {"torch float16", VLP_GLOBAL_DTYPE, VLP_F16, NULL},
    {"torch bfloat16", VLP_GLOBAL_DTYPE, VLP_BF16, NULL},
    {"torch float64", VLP_GLOBAL_DTYPE, VLP_F64, NULL},
    {"torch int64", VLP_GLOBAL_DTYPE, VLP_I64, NULL},
    {"torch int32", VLP_GLOBAL_DTYPE, VLP_I32, NULL},
    {"torch int16", VLP_GLOBAL_DTYPE, VLP_I16, NULL},
    {"torch int8", VLP_GLOBAL_DTYPE, VLP_I8, NULL},
    {"torch uint8", VLP_GLOBAL_DTYPE, VLP_U8, NULL},
    {"torch bool", VLP_GLOBAL_DTYPE, VLP_BOOL, NULL},

    {"torch._utils _rebuild_tensor", VLP_GLOBAL_TENSOR, 0, NULL},
    {"torch._utils _rebuild_tensor_v2", VLP_GLOBAL_TENSOR, 0, NULL},
    {"torch._utils _rebuild_tensor_v3", VLP_GLOBAL_TENSOR_V3, 0, NULL},
    {"torch._utils _rebuild_parameter", VLP_GLOBAL_FIRST, 0, NULL},
    {"torch._utils _rebuild_parameter_with_state", VLP_GLOBAL_FIRST, 0, NULL},
    {"torch.jit._pickle restore_type_tag", VLP_GLOBAL_FIRST, 0, NULL},
    {"torch.jit._pickle build_intlist", VLP_GLOBAL_FIRST, 0, NULL},
    {"torch.jit._pickle build_doublelist", VLP_GLOBAL_FIRST, 0, NULL},
    {"torch.jit._pickle build_boollist", VLP_GLOBAL_FIRST, 0, NULL},
    {"torch.jit._pickle build_tensorlist", VLP_GLOBAL_FIRST, 0, NULL},
    {"torch Size", VLP_GLOBAL_FIRST, 0, NULL},

    {"torch._tensor _rebuild_from_type_v2", VLP_GLOBAL_CALL, 0, NULL},

    /* what no weight here is */
    {"torch ComplexFloatStorage", VLP_GLOBAL_ODD, 0, "complex"},
    {"torch ComplexDoubleStorage", VLP_GLOBAL_ODD, 0, "complex"},
    {"torch QInt8Storage", VLP_GLOBAL_ODD, 0, "quantised"},
    {"torch QUInt8Storage", VLP_GLOBAL_ODD, 0, "quantised"},
    {"torch QInt32Storage", VLP_GLOBAL_ODD, 0, "quantised"},
    {"torch QUInt4x2Storage", VLP_GLOBAL_ODD, 0, "quantised"},
    {"torch QUInt2x4Storage", VLP_GLOBAL_ODD, 0, "quantised"},
    {"torch complex*", VLP_GLOBAL_ODD, 0, "complex"},
    {"torch float8_*", VLP_GLOBAL_ODD, 0, "of 8-bit floats"},
    {"torch float4_*", VLP_GLOBAL_ODD, 0, "of 4-bit floats"},
    {"torch uint*", VLP_GLOBAL_ODD, 0, "of a rare integer type"},
    {"torch int*", VLP_GLOBAL_ODD, 0, "of a rare integer type"},
    {"torch bits*", VLP_GLOBAL_ODD, 0, "of untyped bits"},
    {"torch qint*", VLP_GLOBAL_ODD, 0, "quantised"},
    {"torch quint*", VLP_GLOBAL_ODD, 0, "quantised"},
    {"torch._utils _rebuild_qtensor", VLP_GLOBAL_ODD, 0, "quantised"},
    {"torch._utils _rebuild_sparse_tensor", VLP_GLOBAL_ODD, 0, "sparse"},
    {"torch._utils _rebuild_meta_tensor_no_storage", VLP_GLOBAL_ODD, 0, "on the meta device"},

    /* bookkeeping */
    {"torch per_tensor_*", VLP_GLOBAL_INERT, 0, NULL},
    {"torch per_channel_*", VLP_GLOBAL_INERT, 0, NULL},
    {"torch device", VLP_GLOBAL_INERT, 0, NULL},
    {"torch Tensor", VLP_GLOBAL_INERT, 0, NULL},
    {"torch.nn.parameter Parameter", VLP_GLOBAL_INERT, 0, NULL},
    {"torch.nn.parameter Buffer", VLP_GLOBAL_INERT, 0, NULL},
    {"torch.serialization _get_layout", VLP_GLOBAL_INERT, 0, NULL},
    {"torch.torch_version TorchVersion", VLP_GLOBAL_INERT, 0, NULL},
    {"torch.optim.*", VLP_GLOBAL_INERT, 0, NULL},
    {"torch.amp.grad_scaler *", VLP_GLOBAL_INERT, 0, NULL},
    {"torch.cuda.amp.grad_scaler *", VLP_GLOBAL_INERT, 0, NULL},
    {"argparse Namespace", VLP_GLOBAL_INERT, 0, NULL},
    {"types SimpleNamespace", VLP_GLOBAL_INERT, 0, NULL},
    {"pathlib *", VLP_GLOBAL_INERT, 0, NULL},
    {"pathlib._local *", VLP_GLOBAL_INERT, 0, NULL},
    {"datetime *", VLP_GLOBAL_INERT, 0, NULL},
    {"builtins list", VLP_GLOBAL_INERT, 0, NULL}, /* what a defaultdict makes */
    {"builtins int", VLP_GLOBAL_INERT, 0, NULL},
    {"builtins float", VLP_GLOBAL_INERT, 0, NULL},
    {"__builtin__ list", VLP_GLOBAL_INERT, 0, NULL},
    {"__builtin__ int", VLP_GLOBAL_INERT, 0, NULL},
    {"__builtin__ long", VLP_GLOBAL_INERT, 0, NULL},
    {"__builtin__ float", VLP_GLOBAL_INERT, 0, NULL},
    {"builtins set", VLP_GLOBAL_INERT, 0, NULL},
    {"builtins frozenset", VLP_GLOBAL_INERT, 0, NULL},
    {"builtins bytearray", VLP_GLOBAL_INERT, 0, NULL},
    {"builtins complex", VLP_GLOBAL_INERT, 0, NULL},
    {"__builtin__ set", VLP_GLOBAL_INERT, 0, NULL},
    {"__builtin__ frozenset", VLP_GLOBAL_INERT, 0, NULL},
    {"__builtin__ bytearray", VLP_GLOBAL_INERT, 0, NULL},
    {"__builtin__ complex", VLP_GLOBAL_INERT, 0, NULL},
    {"collections Counter", VLP_GLOBAL_INERT, 0, NULL},
    {"collections deque", VLP_GLOBAL_INERT, 0, NULL},
    {"_codecs encode", VLP_GLOBAL_INERT, 0, NULL},
    {"numpy *", VLP_GLOBAL_INERT, 0, NULL},
    {"numpy.core.*", VLP_GLOBAL_INERT, 0, NULL},
    {"numpy._core.*", VLP_GLOBAL_INERT, 0, NULL},
    {"numpy.dtypes *", VLP_GLOBAL_INERT, 0, NULL},
    {"numpy.random.*", VLP_GLOBAL_INERT, 0, NULL},
    {"pytorch_lightning.*", VLP_GLOBAL_INERT, 0, NULL},
    {"lightning.*", VLP_GLOBAL_INERT, 0, NULL},
    {"lightning_fabric.*", VLP_GLOBAL_INERT, 0, NULL},
    {"omegaconf.*", VLP_GLOBAL_INERT, 0, NULL},
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
