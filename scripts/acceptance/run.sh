#!/bin/sh
# What a new user would try, on real input, with a fresh node, step by step; exit status 1 at the
# first thing that is not as on a local file system:
#   scripts/acceptance/run.sh [file|s3|azure] [--files 20000] [--megabytes 1024]
# Needs the right to mount, and git, make, cc, tar, rsync, sqlite (the one in Node); what is missing
# is named, with the package that has it.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd -P)
exec "$root/scripts/with-node" node "$root/scripts/acceptance/acceptance.ts" "$@"
