#!/bin/sh
# Acceptance test: what a new user would try, with real input on a new node, step by step. Exits
# with status 1 at the first difference from a local file system:
#   scripts/acceptance/run.sh [file|s3|azure] [--files 20000] [--megabytes 1024]
# Needs permission to mount, and git, make, cc, tar and rsync (SQLite is the one in Node); reports
# missing programs with their packages.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd -P)
exec "$root/scripts/with-node" node "$root/scripts/acceptance/acceptance.ts" "$@"
