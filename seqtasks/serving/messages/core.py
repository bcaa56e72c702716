"""TensorFlow's own messages, as far as the protocol carries them: the tables of their fields.

Names and numbers: tensorflow/core/framework (types, tensor_shape, resource_handle, tensor),
core/example (feature, example) and core/protobuf (struct, meta_graph).
"""

PACKAGE = "tensorflow"

_TYPES = {
    1: "FLOAT",
    2: "DOUBLE",
    3: "INT32",
    4: "UINT8",
    5: "INT16",
    6: "INT8",
    7: "STRING",
    8: "COMPLEX64",
    9: "INT64",
    10: "BOOL",
    11: "QINT8",
    12: "QUINT8",
    13: "QINT32",
    14: "BFLOAT16",
    15: "QINT16",
    16: "QUINT16",
    17: "UINT16",
    18: "COMPLEX128",
    19: "HALF",
    20: "RESOURCE",
    21: "VARIANT",
    22: "UINT32",
    23: "UINT64",
    24: "FLOAT8_E5M2",
    25: "FLOAT8_E4M3FN",
    26: "FLOAT8_E4M3FNUZ",
    27: "FLOAT8_E4M3B11FNUZ",
    28: "FLOAT8_E5M2FNUZ",
    29: "INT4",
    30: "UINT4",
    31: "INT2",
    32: "UINT2",
    33: "FLOAT4_E2M1FN",
}
_REFERENCE = 100  # a type's number as that of a variable's place

ENUMS = {
    "DataType": {
        0: "DT_INVALID",
        **{number: f"DT_{name}" for number, name in _TYPES.items()},
        **{number + _REFERENCE: f"DT_{name}_REF" for number, name in _TYPES.items()},
    },
    "TypeSpecProto.TypeSpecClass": {
        0: "UNKNOWN",
        1: "SPARSE_TENSOR_SPEC",
        2: "INDEXED_SLICES_SPEC",
        3: "RAGGED_TENSOR_SPEC",
        4: "TENSOR_ARRAY_SPEC",
        5: "DATA_DATASET_SPEC",
        6: "DATA_ITERATOR_SPEC",
        7: "OPTIONAL_SPEC",
        8: "PER_REPLICA_SPEC",
        9: "VARIABLE_SPEC",
        10: "ROW_PARTITION_SPEC",
        12: "REGISTERED_TYPE_SPEC",
        13: "EXTENSION_TYPE_SPEC",
    },
}

_TENSORS = {
    "TensorShapeProto": {2: "repeated Dim dim", 3: "bool unknown_rank"},
    "TensorShapeProto.Dim": {1: "int64 size", 2: "string name"},
    "ResourceHandleProto": {
        1: "string device",
        2: "string container",
        3: "string name",
        4: "uint64 hash_code",
        5: "string maybe_type_name",
        6: "repeated DtypeAndShape dtypes_and_shapes",
    },
    "ResourceHandleProto.DtypeAndShape": {1: "DataType dtype", 2: "TensorShapeProto shape"},
    "TensorProto": {
        1: "DataType dtype",
        2: "TensorShapeProto tensor_shape",
        3: "int32 version_number",
        4: "bytes tensor_content",
        5: "repeated float float_val",
        6: "repeated double double_val",
        7: "repeated int32 int_val",
        8: "repeated bytes string_val",
        9: "repeated float scomplex_val",
        10: "repeated int64 int64_val",
        11: "repeated bool bool_val",
        12: "repeated double dcomplex_val",
        13: "repeated int32 half_val",
        14: "repeated ResourceHandleProto resource_handle_val",
        15: "repeated VariantTensorDataProto variant_val",
        16: "repeated uint32 uint32_val",
        17: "repeated uint64 uint64_val",
        18: "bytes float8_val",
    },
    "NamedTensorProto": {1: "string name", 2: "TensorProto tensor"},
    "VariantTensorDataProto": {
        1: "string type_name",
        2: "bytes metadata",
        3: "repeated TensorProto tensors",
    },
}

_EXAMPLES = {
    "BytesList": {1: "repeated bytes value"},
    "FloatList": {1: "repeated float value"},
    "Int64List": {1: "repeated int64 value"},
    "Feature": {
        1: "oneof kind BytesList bytes_list",
        2: "oneof kind FloatList float_list",
        3: "oneof kind Int64List int64_list",
    },
    "Features": {1: "map string Feature feature"},
    "Example": {1: "Features features"},
}

# What a tensor of a signature is that isn't a single dense one.
_STRUCTURES = {
    "StructuredValue": {
        1: "oneof kind NoneValue none_value",
        11: "oneof kind double float64_value",
        12: "oneof kind sint64 int64_value",
        13: "oneof kind string string_value",
        14: "oneof kind bool bool_value",
        31: "oneof kind TensorShapeProto tensor_shape_value",
        32: "oneof kind DataType tensor_dtype_value",
        33: "oneof kind TensorSpecProto tensor_spec_value",
        34: "oneof kind TypeSpecProto type_spec_value",
        35: "oneof kind BoundedTensorSpecProto bounded_tensor_spec_value",
        51: "oneof kind ListValue list_value",
        52: "oneof kind TupleValue tuple_value",
        53: "oneof kind DictValue dict_value",
        54: "oneof kind NamedTupleValue named_tuple_value",
        55: "oneof kind TensorProto tensor_value",
        56: "oneof kind TensorProto numpy_value",
    },
    "NoneValue": {},
    "ListValue": {1: "repeated StructuredValue values"},
    "TupleValue": {1: "repeated StructuredValue values"},
    "DictValue": {1: "map string StructuredValue fields"},
    "PairValue": {1: "string key", 2: "StructuredValue value"},
    "NamedTupleValue": {1: "string name", 2: "repeated PairValue values"},
    "TensorSpecProto": {1: "string name", 2: "TensorShapeProto shape", 3: "DataType dtype"},
    "BoundedTensorSpecProto": {
        1: "string name",
        2: "TensorShapeProto shape",
        3: "DataType dtype",
        4: "TensorProto minimum",
        5: "TensorProto maximum",
    },
    "TypeSpecProto": {
        1: "TypeSpecClass type_spec_class",
        2: "StructuredValue type_state",
        3: "string type_spec_class_name",
        4: "int32 num_flat_components",
    },
}

_SIGNATURES = {
    "TensorInfo": {
        1: "oneof encoding string name",
        4: "oneof encoding CooSparse coo_sparse",
        5: "oneof encoding CompositeTensor composite_tensor",
        2: "DataType dtype",
        3: "TensorShapeProto tensor_shape",
    },
    "TensorInfo.CooSparse": {
        1: "string values_tensor_name",
        2: "string indices_tensor_name",
        3: "string dense_shape_tensor_name",
    },
    "TensorInfo.CompositeTensor": {
        1: "TypeSpecProto type_spec",
        2: "repeated TensorInfo components",
    },
    "SignatureDef": {
        1: "map string TensorInfo inputs",
        2: "map string TensorInfo outputs",
        3: "string method_name",
        4: "map string TensorProto defaults",
    },
}

MESSAGES = {**_TENSORS, **_EXAMPLES, **_STRUCTURES, **_SIGNATURES}

# Of the status that an answer carries. TensorFlow has it in a package of its own.
ERRORS_PACKAGE = "tensorflow.error"
ERRORS = {
    "Code": {
        0: "OK",
        1: "CANCELLED",
        2: "UNKNOWN",
        3: "INVALID_ARGUMENT",
        4: "DEADLINE_EXCEEDED",
        5: "NOT_FOUND",
        6: "ALREADY_EXISTS",
        7: "PERMISSION_DENIED",
        8: "RESOURCE_EXHAUSTED",
        9: "FAILED_PRECONDITION",
        10: "ABORTED",
        11: "OUT_OF_RANGE",
        12: "UNIMPLEMENTED",
        13: "INTERNAL",
        14: "UNAVAILABLE",
        15: "DATA_LOSS",
        16: "UNAUTHENTICATED",
        20: "DO_NOT_USE_RESERVED_FOR_FUTURE_EXPANSION_USE_DEFAULT_IN_SWITCH_INSTEAD_",
    },
}
