/**
 * Environment variables that begin with CACHEFS_ and are none of ours: a misspelt one would be
 * silence, and the default in its place. All programs know the variables of all flags, since one
 * environment may serve several of them.
 *
 * Kubernetes gives pods variables for every Service of their namespace, and for one called
 * `cachefs` or `cachefs-coordinator` these begin in the same way (`enableServiceLinks`,
 * https://kubernetes.io/docs/tutorials/services/connect-applications-service/). Those are passed
 * over, by their names and values.
 */
import { UsageError } from './usage-error.ts'

const PREFIX = 'CACHEFS_'

/** A test compares them with what the programs have. */
export const FLAG_NAMES =
  `advertised-host api api-key api-key-file azure-account azure-container azure-endpoint azure-key
  capacity chunk-size cloud-dir cloud-provider conflict coordinator create data detach dir
  durability file-server force fsname fuse-threads host join-token join-token-file json local
  log-format log-level max-unsynced-bytes max-unsynced-seconds metrics-token mount nvme
  nvme-capacity nvme-free-floor passthrough peer-id port read-only remote rotate s3-bucket
  s3-endpoint s3-region stale-if-error stale-while-revalidate store timeout trace ttl upload-limit`.split(
    /\s+/,
  )

/** Of the tests and tools in this repository, which start programs in their own environment. */
const OF_TESTS = ['SEED', 'ROUNDS', 'KILLS', 'SECONDS', 'NO_FUSE', 'NO_BROWSER', 'TEST_STORE']

const KNOWN = new Set([
  ...FLAG_NAMES.map(variableOf),
  ...OF_TESTS.map((name) => `${PREFIX}${name}`),
])

/** `CACHEFS_NVME_CAPACITY` for `--nvme-capacity`. */
export function variableOf(flag: string): string {
  return `${PREFIX}${flag.toUpperCase().replaceAll('-', '_')}`
}

/** What Kubernetes says of a Service: CACHEFS_COORDINATOR_PORT=tcp://10.0.0.1:8080, and more. */
export function isServiceLink(name: string, value: string): boolean {
  if (/_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$/.test(name)) return true
  if (/_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name)) return true
  return name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value)
}

/** Throws a usage error that names the first variable that nobody here reads. */
export function checkEnvironment(environment: Record<string, string | undefined>): void {
  for (const [name, value = ''] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || value === '' || KNOWN.has(name)) continue
    if (isServiceLink(name, value)) continue
    const near = nearest(name)
    const remedy = near === undefined ? 'unset it, or see --help' : `did you mean ${near}?`
    throw new UsageError(`${name} is set, and CacheFS has no such variable: ${remedy}`)
  }
}

/** A known name with a few other letters. */
function nearest(name: string): string | undefined {
  const far = Math.max(2, Math.floor(name.length / 5))
  const found = [...KNOWN].map((known) => [distance(name, known), known] as const)
  const [best] = found.sort(([a], [b]) => a - b)
  return best !== undefined && best[0] <= far ? best[1] : undefined
}

/** Letters to be added, left out or changed (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const changed = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(changed, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[to.length]!
}
