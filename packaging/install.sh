#!/bin/sh
# Run by `meson install`: puts the configuration in its place unless there is one. An operator's is never written over.
#   install.sh FILE FOLDER
set -eu
folder=${DESTDIR:-}$2
install -d -m 0755 "$folder" "$folder/instances.d"
[ -e "$folder/telltale.yaml" ] || install -m 0644 "$1" "$folder/telltale.yaml"
