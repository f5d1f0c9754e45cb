"""The JSON schema of the configuration, made from the annotations of all options.

Of an option the schema has `description`, its text; `default`, where it has one; `expected`, what a value must be in
words, from which planning makes its messages; and `stage: encode` where it changes no training.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from semid.checks import Choices, Option, expected_of, object_schema, option_schema, options_of
from semid.data.download import DownloadSettings
from semid.data.preprocessing import PreprocessSettings
from semid.data.sources import SOURCES, source_class
from semid.embeddings.settings import VECTOR_FILES, EncoderSettings, HashingSettings, OwnVectors
from semid.evaluation import EvaluationSettings
from semid.generative.settings import OF_CODES, WITHOUT_CODES, GeneratorSettings
from semid.generator_names import NEEDS_TOKENIZER, generator_key_patterns
from semid.methods import GIVEN_CODES, METHODS
from semid.naming import LONGEST_NAME, REPEATED_END, option_key_patterns
from semid.semantic_ids.exports.registry import EXPORTS
from semid.settings.sections import ComputeSettings, DatasetSettings, FaissSettings, ReportSettings, RunSettings

Schema = dict[str, Any]

TOKENIZER_KEYS = "expected a method (rqkmeans), a variant of it (rqkmeans-pca96) or a full name (rqkmeans_4x256-pca96)"
GENERATOR_KEYS = "expected generator or sasrec, a variant of it (generator-small) or a full name (generator-small-s1)"
DATASET_NAMES = (
    f"expected a name of letters, digits, _ . and -, at most {LONGEST_NAME}, that begins with a letter or digit, is "
    "not raw, bench or figures, does not end in .csv, .json, .log or .html as files beside its folder do, and has no "
    "end that is repeated twenty times"
)
FAISS_VALUES = (
    "expected false, or a map of enabled, normalize, factory and on_disk, the last only for a factory with inverted "
    "lists (IVF…)"
)
# the length comes first, so that the others look at short texts; a $ alone would let a newline at the end pass
DATASET_NAME_PATTERN = (
    rf"^(?=.{{1,{LONGEST_NAME}}}$)(?!(?:[rR][aA][wW]|[bB][eE][nN][cC][hH]|[fF][iI][gG][uU][rR][eE][sS])$)"
    r"(?!.*\.(?:[cC][sS][vV]|[jJ][sS][oO][nN]|[lL][oO][gG]|[hH][tT][mM][lL])$)"
    rf"(?!.*{REPEATED_END})"
    r"[A-Za-z0-9][A-Za-z0-9_.-]*$(?!\n)"
)
# these are no options of the configuration: a tokenizer's name says them, or the workflow writes them
OF_NAME = ("num_levels", "codebook_size", "seed", "metadata")


def config_schema() -> Schema:
    """The schema of a whole configuration; `$defs` has the options of each source, encoder and method."""
    definitions = {
        "preprocess": object_schema(PreprocessSettings),
        "evaluation": object_schema(EvaluationSettings),
        "encoder": object_schema(EncoderSettings),
        "hashing": _with_model(object_schema(HashingSettings), "hashing"),
        "own_vectors": {**object_schema(OwnVectors), **OwnVectors.combinations},
        "faiss": object_schema(FaissSettings),
        **{f"source_{name}": _source(name) for name in SOURCES},
        **{name: _method(name) for name in METHODS},
        **{name: object_schema(GIVEN_CODES[name].load()) for name in with_options()},
        **{family: _generator(family) for family in NEEDS_TOKENIZER},
    }
    without_defaults = [*METHODS, *with_options(), *NEEDS_TOKENIZER, "preprocess", "evaluation"]
    definitions |= {f"{name}_changes": _without_defaults(definitions[name]) for name in without_defaults}
    text_embeddings = {
        "type": "object",
        "if": {"properties": {"model": {"const": "hashing"}}, "required": ["model"]},
        "then": _reference("hashing"),
        "else": _reference("encoder"),
    }
    definitions["text_embeddings"] = text_embeddings
    definitions["embeddings"] = {
        "type": "object",
        "if": {"anyOf": [{"required": [key]} for key in VECTOR_FILES]},
        "then": _reference("own_vectors"),
        "else": _reference("text_embeddings"),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": "The configuration of a semid run; docs/reference/configuration.md explains every key.",
        "type": "object",
        "additionalProperties": False,
        "required": ["run", "datasets"],
        "properties": {
            "run": object_schema(RunSettings),
            "datasets": _datasets(),
            "download": object_schema(DownloadSettings) | {"default": {}},
            "preprocess": _section("preprocess"),
            "embeddings": _section("text_embeddings"),
            "tokenizers": _options_by_name(
                TOKENIZER_KEYS, {name: option_key_patterns(name) for name in (*METHODS, *with_options())}
            ),
            "generators": _options_by_name(
                GENERATOR_KEYS, {family: generator_key_patterns(family) for family in NEEDS_TOKENIZER}
            ),
            "exports": _exports(),
            "faiss": _faiss(),
            "evaluation": _section("evaluation"),
            "report": object_schema(ReportSettings) | {"default": {}},
            "compute": object_schema(ComputeSettings) | {"default": {}},
        },
        "$defs": definitions,
    }


def with_options() -> list[str]:
    """Names of the codes that no vectors made and that have options under `tokenizers:`."""
    return [name for name, given in GIVEN_CODES.items() if given.form == "variant"]


def _reference(definition: str) -> Schema:
    return {"$ref": f"#/$defs/{definition}"}


def _section(definition: str) -> Schema:
    return {**_reference(definition), "default": {}}


def _with_model(schema: Schema, model: str) -> Schema:
    return {**schema, "properties": {"model": {"const": model}, **schema["properties"]}}


def _without_defaults(schema: Schema) -> Schema:
    """The same options without defaults, for a section that changes another: a key that is absent changes nothing."""
    options = {
        name: {key: value for key, value in option.items() if key != "default"}
        for name, option in schema["properties"].items()
    }
    return {**schema, "properties": options}


def _method(name: str) -> Schema:
    """The options of a method: where training may start, then those of its class that no name says."""
    method = METHODS[name].load()
    schema = object_schema(method)
    schema["properties"] = {key: value for key, value in schema["properties"].items() if key not in OF_NAME}
    if hasattr(method, "Start"):
        schema["properties"] = object_schema(method.Start)["properties"] | schema["properties"]
    return schema


def generator_options(family: str) -> list[Option]:
    """The options of a family of generators: all but its seed, which its name says; without codes, none of these."""
    options = [option for option in options_of(GeneratorSettings) if option.name not in OF_NAME]
    if NEEDS_TOKENIZER[family]:
        return options
    items = expected_of(Annotated[str, Choices(WITHOUT_CODES)])
    return [
        option._replace(expected=items, default=WITHOUT_CODES[0]) if option.name == "items" else option
        for option in options
        if option.name not in OF_CODES
    ]


def _generator(family: str) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {option.name: option_schema(option) for option in generator_options(family)},
    }


def _source(name: str) -> Schema:
    kind = source_class(name)
    schema = object_schema(kind)
    shared = object_schema(DatasetSettings)["properties"]
    shared["external"]["propertyNames"] = {"pattern": r"^[a-z][a-z0-9_]*$(?!\n)"}
    sections = {name: _reference(f"{name}_changes") for name in ("preprocess", "evaluation")}
    schema["properties"] = {
        "source": {"const": name},
        **schema["properties"],
        **shared,
        **sections,
        "embeddings": _reference("embeddings"),
    }
    return {**schema, **kind.combinations}


def _datasets() -> Schema:
    return {
        "description": "The data there are, by name; `run: datasets:` says which of them a run takes.",
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"description": DATASET_NAMES, "pattern": DATASET_NAME_PATTERN},
        "additionalProperties": {
            "type": "object",
            "required": ["source"],
            "properties": {"source": {"enum": list(SOURCES), "expected": f"one of {', '.join(SOURCES)}"}},
            "allOf": [
                {
                    "if": {"required": ["source"], "properties": {"source": {"const": name}}},
                    "then": _reference(f"source_{name}"),
                }
                for name in SOURCES
            ],
        },
    }


def _options_by_name(keys: str, patterns: Mapping[str, tuple[str, ...]]) -> Schema:
    """A section of maps of options, each under a name that one of the patterns of its definition allows."""
    return {
        "type": "object",
        "additionalProperties": False,
        "description": keys,
        "default": {},
        "patternProperties": {
            pattern: _reference(f"{name}_changes") for name, of_name in patterns.items() for pattern in of_name
        },
    }


def _exports() -> Schema:
    """The options of every export format, by its name."""
    return {
        "type": "object",
        "additionalProperties": False,
        "default": {},
        "properties": {name: object_schema(export.load()) | {"default": {}} for name, export in EXPORTS.items()},
    }


def _faiss() -> Schema:
    return {
        "description": FAISS_VALUES,
        "default": {},
        "oneOf": [
            {"const": False},
            {
                **_reference("faiss"),
                # inverted lists are what can be kept on disk
                "not": {
                    "required": ["on_disk"],
                    "properties": {"on_disk": {"const": True}, "factory": {"not": {"pattern": "IVF"}}},
                },
            },
        ],
    }
