/**
 * Rights of the process behind a request beyond its user and group, which are all that the kernel
 * sends: its supplementary groups and capabilities, read from /proc. A process that has ended, or
 * that is not visible here because of its pid namespace, has none, except for root.
 */
import { readFileSync } from 'node:fs'
import type { Caller } from '../../filesystem/inode-file-system.ts'

const CAP_FOWNER = 3n
const CAP_FSETID = 4n

/** As the kernel's `in_group_or_capable`. */
export function isInGroup(caller: Caller, gid: number): boolean {
  if (caller.gid === gid) return true
  const status = statusOf(caller)
  if (status === undefined) return caller.uid === 0
  const groups = /^Groups:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? []
  return groups.includes(String(gid)) || hasCapability(status, CAP_FSETID)
}

/** Whether a change of content keeps the set-id bits. */
export function mayKeepSetId(caller: Caller): boolean {
  return isCapable(caller, CAP_FSETID)
}

/** Whether the caller may change the attributes of inodes that other users own. */
export function mayActAsOwner(caller: Caller): boolean {
  return isCapable(caller, CAP_FOWNER)
}

function isCapable(caller: Caller, capability: bigint): boolean {
  const status = statusOf(caller)
  return status === undefined ? caller.uid === 0 : hasCapability(status, capability)
}

function statusOf({ pid }: Caller): string | undefined {
  if (pid === 0) return undefined
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return undefined
  }
}

function hasCapability(status: string, capability: bigint): boolean {
  const set = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1]
  return set !== undefined && ((BigInt(`0x${set}`) >> capability) & 1n) === 1n
}
