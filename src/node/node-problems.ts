/**
 * Current problems of a node, and their effect on its users. The sentences repeat
 * docs/SEMANTICS.md; the bounds in them come from the limits that the code uses.
 */
import type { MountEntry } from '../fuse/mount/mount-table.ts'
import type { ClusterView } from '../http/coordinator/cluster-view.ts'
import type { Problem } from '../http/server/problem.ts'
import { coordinatorLimits } from '../coordinator/limits.ts'
import { formatSize } from '../options/size.ts'
import type { DamagedUse } from '../tiers/nvme/damaged-folder.ts'
import type { Unavailable } from './unavailable-files.ts'

export interface NodeParts {
  mountPoint: string
  /** Finds the entry of a mount point in the mount table. */
  findMount: (mountPoint: string) => MountEntry | undefined
  /** Undefined: the coordinator is embedded. */
  cluster: ClusterView | undefined
  cloud: { readonly name: string }
  /** Objects of the cloud that readers found absent or damaged; undefined: none. */
  objects: () => { count: number; since: Date; reason: string } | undefined
  uploads: { readonly failure: { since: Date; reason: string } | undefined }
  unavailable: { readonly found: Unavailable | undefined }
  /** Path of a database in which SQLite found damage; undefined: none. */
  damaged: () => string | undefined
  /** Paths of databases in whose place another file is, or none, since the start. */
  replaced: () => string[]
  /** Path of the names before a coordinator with older ones, if they are kept. */
  namesBefore: () => string | undefined
  /** The folder of damaged files and chunks. */
  kept: { readonly path: string; recentUse(): DamagedUse }
}

const KEPT_NAMES_SECONDS = coordinatorLimits.linkTtlMs / 1000
const OPERATION_SECONDS = coordinatorLimits.linkOperationMs / 1000

function refused(url: string, since: Date, reason: string): Problem {
  return {
    what: `the coordinator ${url} has not let this node in`,
    since,
    reason,
    works: 'nothing but reads of files that are open',
    fails: 'all that needs a name: EIO. What was written is kept, and committed when it is let in',
    blocking: true,
  }
}

export class NodeProblems {
  readonly #parts: NodeParts
  /** Start of the current time without a mount; a node begins without one. */
  #unmountedSince: Date | undefined = new Date()
  #damagedSince: Date | undefined
  #replacedSince: Date | undefined
  #olderSince: Date | undefined
  #fullSince: Date | undefined

  constructor(parts: NodeParts) {
    this.#parts = parts
  }

  list(): Problem[] {
    const cluster = [this.#mount(), this.#coordinator(), this.#cloud(), this.#objects()]
    const disk = [this.#database(), this.#replaced(), this.#damagedFolder(), this.#olderNames()]
    const all = [...cluster, this.#unavailable(), ...disk]
    return all.filter((problem) => problem !== undefined)
  }

  #mount(): Problem | undefined {
    const { mountPoint, findMount } = this.#parts
    if (findMount(mountPoint)?.type.startsWith('fuse') === true) {
      this.#unmountedSince = undefined
      return undefined
    }
    this.#unmountedSince ??= new Date()
    return {
      what: `nothing has been mounted at ${mountPoint}`,
      since: this.#unmountedSince,
      works: 'the API',
      fails: `programs find an empty folder, or none, at ${mountPoint}`,
      blocking: true,
    }
  }

  #coordinator(): Problem | undefined {
    const { cluster } = this.#parts
    if (cluster === undefined || cluster.coordinator.connected) return undefined
    const { url, since, refusal } = cluster.coordinator
    if (refusal !== undefined) return refused(url, since, refusal)
    return {
      what: `the coordinator ${url} has not been reachable`,
      since,
      works:
        'reads and writes of files that are open; ' +
        `names, for ${KEPT_NAMES_SECONDS} s after it was last heard of`,
      fails:
        'opening, listing and changing names, and closing what was written: ' +
        `ETIMEDOUT after ${OPERATION_SECONDS} s; what was written is committed later`,
      blocking: true,
    }
  }

  #unavailable(): Problem | undefined {
    const found = this.#parts.unavailable.found
    if (found === undefined) return undefined
    const { files, bytes, more, holders, reason, since } = found
    const count = `${more ? 'more than ' : ''}${files} ${files === 1 ? 'file' : 'files'}`
    return {
      what: `${count} (${formatSize(bytes)}) could not be read`,
      since,
      reason: holders.length === 0 && reason !== null ? reason : this.#whoHasThem(holders),
      works: 'all other files; these again when their nodes are back',
      fails:
        'reading them: EIO. `cachefs missing` lists them, `cachefs restore` brings back ' +
        'the last durable version',
      blocking: false,
    }
  }

  #olderNames(): Problem | undefined {
    const path = this.#parts.namesBefore()
    if (path === undefined) return undefined
    this.#olderSince ??= new Date()
    return {
      what: 'the coordinator had names from an older backup',
      since: this.#olderSince,
      works: 'all files that the backup had',
      fails:
        'what was made or changed since; its names are in ' +
        `${path}: start the coordinator on that file as its volume.db, or move it away`,
      blocking: false,
    }
  }

  #database(): Problem | undefined {
    const path = this.#parts.damaged()
    if (path === undefined) return undefined
    this.#damagedSince ??= new Date()
    return {
      what: `the database ${path} has been damaged`,
      since: this.#damagedSince,
      works: 'all that is not in the damaged pages',
      fails: `the rest: EIO. Stop the node and restore ${path} from a backup`,
      blocking: false,
    }
  }

  #replaced(): Problem | undefined {
    const [path] = this.#parts.replaced()
    if (path === undefined) {
      this.#replacedSince = undefined
      return undefined
    }
    this.#replacedSince ??= new Date()
    return {
      what: `${path} has been replaced or removed while the node uses it`,
      since: this.#replacedSince,
      reason: 'stop the node before its files are restored or moved',
      works: 'everything, on the file that the node has open',
      fails: 'keeping changes: they are lost when the node ends',
      blocking: false,
    }
  }

  #objects(): Problem | undefined {
    const { cloud, objects } = this.#parts
    const found = objects()
    if (found === undefined) return undefined
    const { count, since, reason } = found
    return {
      what: `${count} ${count === 1 ? 'object' : 'objects'} in ${cloud.name} could not be read`,
      since,
      reason,
      works: 'all other chunks',
      fails:
        'reading those chunks: EIO. Restore the objects from a backup, or write the files anew',
      blocking: false,
    }
  }

  #damagedFolder(): Problem | undefined {
    const { kept } = this.#parts
    const { entries, bytes, isFull } = kept.recentUse()
    if (!isFull) {
      this.#fullSince = undefined
      return undefined
    }
    this.#fullSince ??= new Date()
    return {
      what: `${kept.path} has been full (${entries} entries, ${formatSize(bytes)})`,
      since: this.#fullSince,
      reason: 'the disk damaged files of this node. Examine the folder and empty it',
      works: 'everything',
      fails: 'keeping the bytes of further damaged chunks there: they stay in their files',
      blocking: false,
    }
  }

  #whoHasThem(holders: readonly string[]): string {
    if (holders.length === 0) return 'no node has their bytes any more'
    const away = new Map(this.#parts.cluster?.away().map(({ id, since }) => [id, since]))
    const names = holders.map((id) => {
      const since = away.get(id)
      return since === undefined ? `${id} (away)` : `${id} (away since ${since})`
    })
    return `their only copies are on ${names.join(', ')}`
  }

  #cloud(): Problem | undefined {
    const { cloud, uploads } = this.#parts
    if (uploads.failure === undefined) return undefined
    const { since, reason } = uploads.failure
    return {
      what: `${cloud.name} takes no uploads`,
      since,
      reason,
      works: 'reads of what nodes have; writes, until the cache or -max-unsynced-* is reached',
      fails: 'reads of what only the cloud has: EIO; waiting until something is in the cloud',
      blocking: false,
    }
  }
}
