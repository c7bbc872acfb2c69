#!/usr/bin/env bash
# One task of an array job: classifies every COUNTth image of a list, beginning with the TASKth, into OUTPUT/TASK.jsonl.
#   tools/array_job.sh MODEL LIST OUTPUT TASK COUNT
#
# On one machine:  seq 0 7 | xargs -P 2 -I{} tools/array_job.sh net.rbn images.txt out {} 8
# GNU parallel:    seq 0 7 | parallel --sshloginfile hosts tools/array_job.sh net.rbn images.txt out {} 8
# Slurm:           sbatch --array=0-99 --wrap 'tools/array_job.sh net.rbn images.txt out $SLURM_ARRAY_TASK_ID 100'
# Kubernetes:      an Indexed Job, with $JOB_COMPLETION_INDEX
# Then:            cat out/*.jsonl
#
# A task whose output is there has been done, and does nothing; one that was interrupted leaves none, and starts anew. An
# image that can't be used is a line with its error; the exit status is then still 0, as nothing is gained by trying again.
# RBN names another executable than the one in PATH or .build/release.
set -euo pipefail

if [ $# -ne 5 ]; then
  sed -n '2,14s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
model="$1" list="$2" output="$3" task="$4" count="$5"
if ! [[ "$task" =~ ^[0-9]+$ && "$count" =~ ^[1-9][0-9]*$ && "$task" -lt "$count" ]]; then
  echo "TASK must be a number from 0 to COUNT - 1, not $task of $count" >&2
  exit 2
fi
rbn="${RBN:-$(command -v rbn || echo "$(dirname "$0")/../.build/release/rbn")}"

mkdir -p "$output"
result="$output/$task.jsonl"
if [ -e "$result" ]; then exit 0; fi
new="$(mktemp "$output/.$task.XXXXXX")"
trap 'rm -f "$new"' EXIT
mine="$(awk -v task="$task" -v count="$count" '(NR - 1) % count == task' "$list")"
if [ -n "$mine" ]; then
  status=0
  "$rbn" predict "$model" - --format jsonl --batch-size 8 --top-k 5 <<<"$mine" >"$new" || status=$?
  # 4: some of the images can't be used, which their lines say.
  if [ "$status" -ne 0 ] && [ "$status" -ne 4 ]; then exit "$status"; fi
fi
mv "$new" "$result"
