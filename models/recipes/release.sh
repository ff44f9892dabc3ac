#!/bin/sh
# Turn a training run into a model that ships, measure it on all held-out data, and write docs/models.md anew.
#
# models/recipes/release.sh MODEL RUN [START] [-- OPTIONS]
#   MODEL    emoji-32 or storybook: models/MODEL is replaced, models/recipes/MODEL.toml names the data
#   RUN      folder of the run, with its checkpoint
#   START    the model that the run went on from (train --init), whose training counts too
#   OPTIONS  for every evaluate, such as --batches 2 for a first look
#
# RUN may be "-": the model stays as it is and is measured again. The variable RECIPE names another recipe.
set -eu

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
[ $# -ge 2 ] || { sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
MODEL=$1
RUN=$2
shift 2
START=
if [ $# -gt 0 ] && [ "$1" != -- ]; then
  START=$1
  shift
fi
[ $# = 0 ] || shift # the --

RECIPE=${RECIPE:-$ROOT/models/recipes/$MODEL.toml}
BUNDLE=$ROOT/models/$MODEL
DATA=$(cd "$ROOT" && sed -n 's/^valid = "\(.*\)"/\1/p' "$RECIPE")
case $DATA in /*) ;; *) DATA=$ROOT/$DATA ;; esac
studio() {
  echo "+ prime-studio $*" >&2
  "$ROOT/run" "$@"
}

if [ "$RUN" != - ]; then
  studio export "$RUN" --recipe "$RECIPE" -o "$BUNDLE" ${START:+--init "$START"}
fi
studio evaluate --model "$BUNDLE" --data "$DATA" --granularity all --compressors --write "$@"
studio evaluate --model "$BUNDLE" --data "$DATA" --granularity all --bound step --steps 64 --schedule linear --write "$@"
if [ "$MODEL" = emoji-32 ]; then
  # As the model believes, for the mean; then as people see it.
  studio quality --model "$BUNDLE" --data "$DATA" --write -o "$ROOT/out/quality/plain" \
    --policy even --temperature 1 --temperature-slope=0,1 --granularity 1 --remask 0 --schedule linear --steps 16
  studio quality --model "$BUNDLE" --data "$DATA" --write -o "$ROOT/out/quality" -n 8
  cp "$ROOT/out/quality/$MODEL-middle.png" "$ROOT/docs/images/$MODEL-middle.png"
  # The pictures of the README.
  studio demo -o "$ROOT/out/demo"
  cp "$ROOT/out/demo/couple-steps.png" "$ROOT/docs/images/inpaint.png"
  cp "$ROOT/out/demo/couple.webp" "$ROOT/docs/images/inpaint.webp"
else
  studio quality --model "$BUNDLE" --data "$DATA" --write -o "$ROOT/out/quality"
fi
"${STUDIO_VENV:-$ROOT/.venv}/bin/python" "$ROOT/docs/models.py"
