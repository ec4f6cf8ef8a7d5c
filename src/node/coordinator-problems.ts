/**
 * Current problems of a coordinator, and their effect on its nodes. A coordinator that stands by,
 * while another one leads, has no fault, but is reported as not ready: nodes must use the leader.
 */
import { describe } from '../base/fs-error.ts'
import type { Candidate } from '../coordinator/candidate.ts'
import type { PeerMaintenance } from '../coordinator/peers/peer-maintenance.ts'
import type { Problem } from '../http/server/problem.ts'
import { copyState } from '../metadata/change.ts'
import type { MetadataSource, StoreDamage } from '../metadata/store-engine.ts'

export async function coordinatorProblems(
  maintenance: Pick<PeerMaintenance, 'failure'>,
  candidate: Candidate,
  { damage, replaced }: Pick<MetadataSource, 'damage' | 'replaced'>,
): Promise<Problem[]> {
  const names = candidate.isOneOfSeveral
    ? (standingBy(candidate) ?? databaseAway(candidate))
    : await unreadableNames(candidate)
  const file = [damage && damagedNames(damage), replaced && replacedNames(replaced)]
  return [unsavedNodes(maintenance), names, ...file].filter((problem) => problem !== undefined)
}

function unsavedNodes({ failure }: Pick<PeerMaintenance, 'failure'>): Problem | undefined {
  if (failure === undefined) return undefined
  return {
    what: 'nodes could not be saved',
    ...failure,
    works: 'reading names; who is there, until the coordinator is restarted',
    fails: 'changes of names, where the same disk keeps them',
    blocking: false,
  }
}

function damagedNames({ path, since }: StoreDamage): Problem {
  return {
    what: `pages of ${path} are damaged`,
    since,
    reason:
      'restore it from a backup, or start with a copy of the volume.db of a node in its place',
    works: 'names on pages that are intact',
    fails: 'operations on the others: they end with EIO',
    blocking: false,
  }
}

function replacedNames({ path, since }: StoreDamage): Problem {
  return {
    what: `${path} has been replaced or removed while the coordinator uses it`,
    since,
    reason: 'stop the coordinator before its files are restored or moved',
    works: 'everything, on the file that the coordinator has open',
    fails: 'keeping changes of names: they are lost when the coordinator ends',
    blocking: false,
  }
}

function standingBy({ standsBy, leaderUrl, since }: Candidate): Problem | undefined {
  if (!standsBy) return undefined
  const leader = leaderUrl === '' ? 'no coordinator leads' : `the coordinator ${leaderUrl} leads`
  return {
    what: `${leader}, and this one has stood by`,
    since,
    works: 'taking over when that one is gone',
    fails: 'serving nodes: they go to the one that leads',
    blocking: true,
  }
}

function databaseAway({ isReady }: Candidate): Problem | undefined {
  if (isReady) return undefined
  return {
    what: 'the database has not answered',
    since: new Date(),
    works: 'files that are open on nodes, and for some seconds all that is cached there',
    fails: 'everything that needs a name, until it answers',
    blocking: true,
  }
}

/** Reads one row. The result is not cached: every call tries again. */
async function unreadableNames(candidate: Candidate): Promise<Problem | undefined> {
  try {
    await candidate.store.read(copyState)
    return undefined
  } catch (error) {
    return {
      what: 'the names could not be read',
      since: new Date(),
      reason: describe(error),
      works: 'files that are open on nodes',
      fails: 'everything that needs a name',
      blocking: true,
    }
  }
}
