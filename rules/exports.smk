"""Needs the semantic-ID table of a tokenizer, and the items and splits where a format reads them; makes
results/<dataset>/<tokenizer>/exports/<format>/, whose manifest.json comes last: the folder is whole when it is there.
"""

from semid.planning import Exports
from semid.semantic_ids.exports.registry import EXPORTS

exports = Exports(config, datasets, tokenizers, given)

for EXPORT in EXPORTS:

    rule:
        # Write the IDs of a tokenizer in the format of another system.
        name:
            f"export_{EXPORT}"
        input:
            unpack(asked(exports.files, format=EXPORT)),
        output:
            f"results/{{dataset}}/{{tokenizer}}/exports/{EXPORT}/manifest.json",
        log:
            f"logs/{{dataset}}/{{tokenizer}}/export-{EXPORT}.log",
        benchmark:
            f"benchmarks/{{dataset}}/{{tokenizer}}/export-{EXPORT}.tsv"
        conda:
            "../envs/torch.yaml"
        resources:
            mem_mb=memory(1500, 3),
        params:
            code=code("export_for.py", EXPORTS[EXPORT].implementation),
            format=EXPORT,
            options=exports.options(EXPORT),
        script:
            "../workflow_scripts/export_for.py"
