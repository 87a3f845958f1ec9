#!/bin/bash
# Adds packages to a container in the manual way that sites document: a venv that sees the packages of the image, pip
# in it, and all in one SquashFS file. In a venv of the image it cannot work better than this: a venv that is made there
# does not see the packages of the image, and pip installs torch once more.
# usage: by-hand.sh RUNTIME IMAGE FOLDER REQUIREMENTS WHEELS...
set -euo pipefail
runtime=$1 image=$2 folder=$3 requirements=$4
shift 4

layer=$folder/user-software
mkdir "$layer"
binds=(--bind "$layer:/user-software" --bind "$requirements:/requirements.txt:ro") options=()
for wheels in "$@"; do
    inside=/wheels/${#options[@]}
    binds+=(--bind "$wheels:$inside:ro") options+=("--find-links=$inside")
done
# shellcheck disable=SC2016  # This bash is the container's.
"$runtime" exec "${binds[@]}" "$image" bash -c '
    set -e
    eval "${WITH_CONDA-}"
    python -m venv --system-site-packages /user-software/venv/pytorch
    source /user-software/venv/pytorch/bin/activate
    pip install --quiet --no-index --no-cache-dir --requirement /requirements.txt "$@"
' bash "${options[@]}"
mksquashfs "$layer" "$layer.squashfs" -processors 1 -no-progress -quiet
rm -r "$layer"

mkdir "$folder/bin"
cat > "$folder/bin/python" <<'EOF'
#!/bin/bash
exec "$CONTAINER_RUNTIME" exec "$SIF" python "$@"
EOF
chmod a+x "$folder/bin/python"
