/**
 * Checks environment variables that begin with CACHEFS_: an unknown one is an error, since a
 * misspelt variable would silently leave the default in effect. Every program accepts the variables
 * of all flags, because one environment may serve several programs.
 *
 * Kubernetes sets variables in pods for every Service of their namespace, and those of a Service
 * named `cachefs` or `cachefs-coordinator` have the same prefix (`enableServiceLinks`,
 * https://kubernetes.io/docs/tutorials/services/connect-applications-service/). They are recognised
 * by name and value, and ignored.
 */
import { UsageError } from './usage-error.ts'

const PREFIX = 'CACHEFS_'

/** A test compares this list with the flags of the programs. */
export const FLAG_NAMES = `accept-older-names advertised-host api api-key api-key-file
  azure-account azure-container azure-endpoint azure-key capacity chunk-size cloud-dir
  cloud-provider conflict coordinator create data detach dir durability file-server force fsname
  fuse-threads host join-token join-token-file json local log-format log-level
  max-unsynced-bytes max-unsynced-seconds metrics-token mount nvme nvme-capacity nvme-free-floor
  passthrough peer-id port read-only remote rotate s3-bucket s3-endpoint s3-region
  stale-if-error stale-while-revalidate store timeout trace ttl upload-limit`.split(/\s+/)

/**
 * Variables of the tests and tools in this repository, which start programs in their own
 * environment.
 */
const OF_TESTS = ['SEED', 'ROUNDS', 'KILLS', 'SECONDS', 'NO_FUSE', 'NO_BROWSER', 'TEST_STORE']

const KNOWN = new Set([
  ...FLAG_NAMES.map(variableOf),
  ...OF_TESTS.map((name) => `${PREFIX}${name}`),
])

/** `CACHEFS_NVME_CAPACITY` for `--nvme-capacity`. */
export function variableOf(flag: string): string {
  return `${PREFIX}${flag.toUpperCase().replaceAll('-', '_')}`
}

/**
 * Whether Kubernetes set the variable for a Service, such as
 * CACHEFS_COORDINATOR_PORT=tcp://10.0.0.1:8080.
 */
export function isServiceLink(name: string, value: string): boolean {
  if (/_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$/.test(name)) return true
  if (/_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name)) return true
  return name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value)
}

/** Throws a UsageError for the first unknown variable. */
export function checkEnvironment(environment: Record<string, string | undefined>): void {
  for (const [name, value = ''] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || value === '' || KNOWN.has(name)) continue
    if (isServiceLink(name, value)) continue
    const near = nearest(name)
    const remedy = near === undefined ? 'unset it, or see --help' : `did you mean ${near}?`
    throw new UsageError(`${name} is set, and CacheFS has no such variable: ${remedy}`)
  }
}

/** The known name with the smallest edit distance, if it is small enough. */
function nearest(name: string): string | undefined {
  const far = Math.max(2, Math.floor(name.length / 5))
  const found = [...KNOWN].map((known) => [distance(name, known), known] as const)
  const [best] = found.sort(([a], [b]) => a - b)
  return best !== undefined && best[0] <= far ? best[1] : undefined
}

/** Number of letters to add, remove or change (Levenshtein distance). */
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
