#!/usr/bin/env bash
# State of the job with the id $1 as Snakemake wants it: running, success or failed.
set -euo pipefail

# squeue knows a job for MinJobAge seconds after its end; where there is accounting, sacct knows it for good
state=$(squeue --noheader --states=all --format=%T --jobs="$1" 2>/dev/null || true)
if [[ -z $state ]]; then
    state=$(sacct --noheader --allocations --parsable2 --format=State --jobs="$1" 2>/dev/null || true)
fi

case $state in
    COMPLETED) echo success ;;
    BOOT_FAIL | CANCELLED* | DEADLINE | FAILED | NODE_FAIL | OUT_OF_MEMORY | PREEMPTED | TIMEOUT) echo failed ;;
    # in the queue, at work, or not to be asked about just now
    *) echo running ;;
esac
