#!/usr/bin/env bash
# The whole job on the bundled pictures of nuclei: train, evaluate on pictures kept apart, predict, report.
# Results go to demo/. DEMO_TIME (seconds of training, default 90) and DEMO_SEED (default 1) may be set.
set -euo pipefail
cd "$(dirname "$0")/.."
unet=build/src/cli/unet data=examples/nuclei out=demo
start=$SECONDS

echo "== train: 84 pictures, ${DEMO_TIME:-90} s"
"$unet" train "$data" -o "$out/nuclei.safetensors" --time "${DEMO_TIME:-90}" --seed "${DEMO_SEED:-1}" --overwrite

echo "== evaluate: 29 pictures that training never saw"
"$unet" eval "$out/nuclei.safetensors" "$data" --split test --tta all -o "$out/eval"

echo "== predict"
mapfile -t pictures < <(sed "s|.*|$data/images/&.png|" "$data/test.txt")
"$unet" predict "$out/nuclei.safetensors" "${pictures[@]}" -o "$out/masks" --overlay --tta all --quiet

cat <<EOF

Done in $((SECONDS - start)) s. Open the report:   $out/eval/report.html
the course of training:       $out/nuclei.safetensors.run/report.html
masks and overlays:           $out/masks/

Your own pictures: put them in a folder cells/images, their masks in cells/masks (same names), then
    $unet inspect cells -o look            # is everything understood?
    $unet train cells -o cells.safetensors --time 30m
    $unet eval cells.safetensors cells -o report
    $unet predict cells.safetensors new/ -o masks --overlay
EOF
