"""Large runs are planned whole; `python -m bench.planning` says how long that takes."""

from bench.planning import plan, tokenizers

SEEDS = range(2)


def test_tokenizers_share_what_they_have_in_common() -> None:
    _, _, table = plan(["results/offline_eval.csv"], SEEDS)
    jobs = {row.split()[0]: int(row.split()[1]) for row in table.strip().splitlines()[2:]}
    number = len(tokenizers()) * len(SEEDS)
    assert {jobs[rule] for rule in ("encode", "export", "score", "build_inverted", "evaluate")} == {number}
    residual = sum(name.startswith("rqvae") for name in tokenizers()) * len(SEEDS)
    # each RQ-VAE starts from the RQ-KMeans of its size, which is compared too
    assert jobs["train_rqkmeans"] == residual
    assert jobs["train_rqvae"] == residual
    assert jobs["train_vqvae"] == number - 2 * residual
    # the files of reviews and of items
    assert jobs["read_raw"] == 2
    assert {jobs[rule] for rule in ("preprocess", "data_manifest", "embed_items", "collect_evaluations")} == {1}
