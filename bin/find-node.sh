# shellcheck shell=sh
# Finds a Node that runs CacheFS: the one in PATH where it is new enough, else the one that `make`
# put into .tools/ of a checkout. Sourced by the programs beside it and by scripts/with-node, so
# that the rule is written once. POSIX sh: it runs before any Node does.

oldest_node=24

# Prints the major version of the Node program $1; nothing where it does not run.
node_major() {
  "$1" --version 2>/dev/null | sed -n 's/^v\([0-9][0-9]*\)\..*/\1/p'
}

# Prints the path of a Node that is new enough, for the CacheFS at $1; fails where there is none.
find_node() {
  for candidate in "$(command -v node || true)" "$1"/.tools/node_modules/node-linux-*/bin/node; do
    [ -x "$candidate" ] || continue
    major=$(node_major "$candidate")
    [ "${major:-0}" -ge "$oldest_node" ] || continue
    printf '%s\n' "$candidate"
    return 0
  done
  return 1
}

# Becomes the command line program $1 of CacheFS, with the arguments after it. `exec` throughout:
# a signal sent to this process has to reach Node. A checkout runs its source, so that what was
# edited is what runs; the published package has no source and runs dist/.
launch() {
  program=$1
  shift
  self=$(readlink -f "$0")
  root=${self%/*/*}
  if ! node=$(find_node "$root"); then
    echo "$program: needs Node $oldest_node or newer in PATH: install it, or run 'make build'" \
      'in a checkout of CacheFS, which brings one' >&2
    exit 1
  fi
  entry=$root/dist/cli/$program.js
  if [ -f "$root/src/cli/$program.ts" ]; then
    entry=$root/src/cli/$program.ts
    if [ ! -d "$root/node_modules" ]; then
      echo "$program: the packages it needs are not installed: run 'make build' in $root" >&2
      exit 1
    fi
  fi
  exec "$node" --disable-warning=ExperimentalWarning "$entry" "$@"
}
