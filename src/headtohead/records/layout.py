"""A run's record: `<results>/<sweep>/<run>/`, append-only, read back as a table.

    config.json      the resolved configuration
    curve.jsonl      a line a number: step, samples, flops, seconds, flops_total, metric, value, ceiling, relative, n,
                     judge, mode
    prompts.jsonl    a line an evaluation: id of its prompts (key `exam`), score of each, and why images failed
    rescored.jsonl   numbers of the kept weights under other sampling or another judge, as in curve.jsonl with `how`
    kept/            averaged weights, to be scored again
    grids/           pictures of an evaluation: one of many prompts each, several of few
    standard.safetensors  mean and deviation by which image tokens are standardised, where they are not in a config
    status.json      queued, running, paused, stopped, finished, or failed and why; what the run was made of and cost
    progress.json    while it runs: step, speed, time left
    claims/          leases: which process works on it
    points/          leases of processes that measure single steps

and beside the runs `<sweep>/exams/<id>.json`, the prompts of evaluations. Reading needs no torch.
"""

CURVE, PROMPTS, RESCORED = "curve.jsonl", "prompts.jsonl", "rescored.jsonl"
CONFIG, STATUS, GRIDS, EXAMS, KEPT = "config.json", "status.json", "grids", "exams", "kept"
PROGRESS, POINTS, CHECKPOINTS = "progress.json", "points", "checkpoints"
TRACEBACK, STANDARD = "error.txt", "standard.safetensors"
