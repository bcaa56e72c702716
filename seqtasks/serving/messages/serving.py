"""TF Serving's messages: the tables of their fields.

Names and numbers: tensorflow_serving/apis and tensorflow_serving/config.
"""

PACKAGE = "tensorflow.serving"

ENUMS = {
    "PredictStreamedOptions.RequestState": {0: "NONE", 1: "SPLIT", 2: "END_SPLIT", 3: "CANCEL"},
    "PredictRequest.RequestOptions.DeterministicMode": {
        0: "DETERMINISTIC_MODE_UNSPECIFIED",
        1: "FIXED_DECODER_SLOT",
    },
    "ModelVersionStatus.State": {
        0: "UNKNOWN",
        10: "START",
        20: "LOADING",
        30: "AVAILABLE",
        40: "UNLOADING",
        50: "END",
    },
    "ModelType": {0: "MODEL_TYPE_UNSPECIFIED", 1: "TENSORFLOW", 2: "OTHER"},
}

_PREDICT = {
    "ModelSpec": {
        1: "string name",
        2: "oneof version_choice google.protobuf.Int64Value version",
        3: "string signature_name",
        4: "oneof version_choice string version_label",
    },
    "PredictStreamedOptions": {
        1: "RequestState request_state",
        2: "map string int32 split_dimensions",
        3: "bool return_single_response",
    },
    "PredictRequest": {
        1: "ModelSpec model_spec",
        2: "map string TensorProto inputs",
        3: "repeated string output_filter",
        5: "PredictStreamedOptions predict_streamed_options",
        6: "optional bytes client_id",
        7: "optional RequestOptions request_options",
    },
    "PredictRequest.RequestOptions": {
        1: "optional bytes client_id",
        2: "optional DeterministicMode deterministic_mode",
        3: "optional bool return_additional_arrays_from_prefill",
        4: "repeated int64 return_stoptokens",
        6: "optional int64 max_cache_length",
        9: "optional bool return_all_stoptokens",
        13: "optional Handshake handshake",
    },
    "PredictRequest.RequestOptions.Handshake": {1: "int64 estimated_payload_bytes"},
    "PredictResponse": {1: "map string TensorProto outputs", 2: "ModelSpec model_spec"},
}

_EXAMPLES = {
    "ExampleList": {1: "repeated Example examples"},
    "ExampleListWithContext": {1: "repeated Example examples", 2: "Example context"},
    "Input": {
        1: "oneof kind ExampleList example_list",
        2: "oneof kind ExampleListWithContext example_list_with_context",
    },
    "Class": {1: "string label", 2: "float score"},
    "Classifications": {1: "repeated Class classes"},
    "ClassificationResult": {1: "repeated Classifications classifications"},
    "ClassificationRequest": {1: "ModelSpec model_spec", 2: "Input input"},
    "ClassificationResponse": {1: "ClassificationResult result", 2: "ModelSpec model_spec"},
    "Regression": {1: "float value"},
    "RegressionResult": {1: "repeated Regression regressions"},
    "RegressionRequest": {1: "ModelSpec model_spec", 2: "Input input"},
    "RegressionResponse": {1: "RegressionResult result", 2: "ModelSpec model_spec"},
    "InferenceTask": {1: "ModelSpec model_spec", 2: "string method_name"},
    "InferenceResult": {
        1: "ModelSpec model_spec",
        2: "oneof result ClassificationResult classification_result",
        3: "oneof result RegressionResult regression_result",
    },
    "MultiInferenceRequest": {1: "repeated InferenceTask tasks", 2: "Input input"},
    "MultiInferenceResponse": {1: "repeated InferenceResult results"},
}

_INFORMATION = {
    "SignatureDefMap": {1: "map string SignatureDef signature_def"},
    "GetModelMetadataRequest": {1: "ModelSpec model_spec", 2: "repeated string metadata_field"},
    "GetModelMetadataResponse": {
        1: "ModelSpec model_spec",
        2: "map string google.protobuf.Any metadata",
    },
    "StatusProto": {1: "tensorflow.error.Code error_code", 2: "string error_message"},
    "ModelVersionStatus": {1: "int64 version", 2: "State state", 3: "StatusProto status"},
    "GetModelStatusRequest": {1: "ModelSpec model_spec"},
    "GetModelStatusResponse": {1: "repeated ModelVersionStatus model_version_status"},
}

_POLICY = "FileSystemStoragePathSourceConfig.ServableVersionPolicy"
_CONFIGURATION = {
    "LogCollectorConfig": {1: "string type", 2: "string filename_prefix"},
    "PerTaskSamplingConfig": {
        1: "string dc",
        2: "optional int32 task_index",
        3: "double sampling_rate",
    },
    "SamplingConfig": {
        1: "double sampling_rate",
        2: "int32 attributes",
        3: "repeated PerTaskSamplingConfig per_task_sampling_configs",
    },
    "LoggingConfig": {
        1: "LogCollectorConfig log_collector_config",
        2: "SamplingConfig sampling_config",
        3: "google.protobuf.Any custom_logging_config",
    },
    "FileSystemStoragePathSourceConfig": {},  # its own fields are never sent
    _POLICY: {
        100: "oneof policy_choice Latest latest",
        101: "oneof policy_choice All all",
        102: "oneof policy_choice Specific specific",
    },
    f"{_POLICY}.Latest": {1: "uint32 num_versions"},
    f"{_POLICY}.All": {},
    f"{_POLICY}.Specific": {1: "repeated int64 versions"},
    "ModelConfig": {
        1: "string name",
        2: "string base_path",
        3: "ModelType model_type",
        4: "string model_platform",
        6: "LoggingConfig logging_config",
        7: f"{_POLICY} model_version_policy",
        8: "map string int64 version_labels",
    },
    "ModelConfigList": {1: "repeated ModelConfig config"},
    "ModelServerConfig": {
        1: "oneof config ModelConfigList model_config_list",
        2: "oneof config google.protobuf.Any custom_model_config",
    },
    "ReloadConfigRequest": {1: "ModelServerConfig config", 2: "repeated string metric_names"},
    "Metric": {1: "string name", 2: "oneof value_increase int64 int64_value_increase"},
    "ReloadConfigResponse": {1: "StatusProto status", 2: "repeated Metric metric"},
}

# What was asked and answered, as a model's warm-up file has it. Of what a session runs by, options
# and metadata aren't read.
_LOGS = {
    "LogMetadata": {
        1: "ModelSpec model_spec",
        2: "SamplingConfig sampling_config",
        3: "repeated string saved_model_tags",
        4: "int64 timestamp_secs",
        5: "string dc",
        6: "string request_origin",
        7: "string request_criticality",
        8: "int64 safe_aggregation_privacy_key",
    },
    "SessionRunRequest": {
        1: "ModelSpec model_spec",
        2: "repeated NamedTensorProto feed",
        3: "repeated string fetch",
        4: "repeated string target",
        6: "bool tensor_name_is_alias",
    },
    "SessionRunResponse": {1: "repeated NamedTensorProto tensor", 3: "ModelSpec model_spec"},
    **{
        f"{kind}Log": {1: f"{asked}Request request", 2: f"{asked}Response response"}
        for kind, asked in (
            ("Classify", "Classification"),
            ("Regress", "Regression"),
            ("Predict", "Predict"),
            ("MultiInference", "MultiInference"),
            ("SessionRun", "SessionRun"),
        )
    },
    "PredictStreamedLog": {
        1: "repeated PredictRequest request",
        2: "repeated PredictResponse response",
    },
    "PredictionLog": {
        1: "LogMetadata log_metadata",
        2: "oneof log_type ClassifyLog classify_log",
        3: "oneof log_type RegressLog regress_log",
        4: "oneof log_type MultiInferenceLog multi_inference_log",
        5: "oneof log_type SessionRunLog session_run_log",
        6: "oneof log_type PredictLog predict_log",
        7: "oneof log_type PredictStreamedLog predict_streamed_log",
    },
}

MESSAGES = {**_PREDICT, **_EXAMPLES, **_INFORMATION, **_CONFIGURATION, **_LOGS}
