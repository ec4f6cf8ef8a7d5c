/**
 * Targets for cases with a power cut: plain ext4, and mounts whose state is on a separate disk. A
 * cut ends all processes of the target; it is restored with what the disk has.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Cluster } from '../fixtures/cluster.ts'
import { Ext4Disk } from '../fixtures/ext4-disk.ts'
import { CLUSTER_NODE, ONE_NODE, ONE_NODE_OFF, type Place } from './targets.ts'

export interface PowerPlace extends Place {
  cut(): void
  /** Call when no process from before the cut has anything open there. */
  restore(): Promise<void>
}

export interface PowerTarget {
  name: string
  open(): Promise<PowerPlace>
}

/** Size of a sparse image; passthrough writes need ample free space. */
const DISK_MEGABYTES = 8192

const ext4: PowerTarget = {
  name: 'ext4',
  open: () => {
    const disk = new Ext4Disk(DISK_MEGABYTES)
    const restore = (): Promise<void> => disk.restore()
    return Promise.resolve(placeOf(disk, disk.path, restore, () => disk[Symbol.dispose]()))
  },
}

function oneNode(name: string, passthrough: 'always' | 'off'): PowerTarget {
  return {
    name,
    open: async () => {
      const home = new ClientHome()
      const disk = new Ext4Disk(DISK_MEGABYTES, home.nvme)
      const flags = ['-passthrough', passthrough]
      let node = await ClientProcess.start(home, { flags })
      const restore = async (): Promise<void> => {
        await node.kill()
        unmount(home.mount)
        await disk.restore()
        forgetBoot(home.nvme)
        node = await ClientProcess.start(home, { flags })
      }
      return placeOf(disk, home.mount, restore, async () => {
        await node.kill()
        disk[Symbol.dispose]()
        home[Symbol.dispose]()
      })
    },
  }
}

/** Cuts the node's power; the coordinator's disk is not affected. */
const clusterNode: PowerTarget = {
  name: CLUSTER_NODE,
  open: async () => {
    const disks: Ext4Disk[] = []
    const cluster = await Cluster.start({
      nodes: 1,
      prepare: ({ nvme }) => disks.push(new Ext4Disk(DISK_MEGABYTES, nvme)),
    })
    const restore = async (): Promise<void> => {
      await cluster.nodes[0]!.kill()
      unmount(cluster.mount(0))
      await disks[0]!.restore()
      forgetBoot(cluster.homes[0]!.nvme)
      await cluster.restart(0)
    }
    return placeOf(disks[0]!, cluster.mount(0), restore, async () => {
      await Promise.all(cluster.nodes.map((node) => node.kill()))
      for (const disk of disks) disk[Symbol.dispose]()
      await cluster[Symbol.asyncDispose]()
    })
  },
}

export const powerTargets: readonly PowerTarget[] = [
  ext4,
  oneNode(ONE_NODE, 'always'),
  oneNode(ONE_NODE_OFF, 'off'),
  clusterNode,
]

/** Removes a stale mount, which keeps files on the disk open (passthrough). */
function unmount(path: string): void {
  spawnSync('umount', ['-l', path], { stdio: 'ignore' })
}

/** Changes the boot id: the machine has started anew. */
function forgetBoot(nvme: string): void {
  const database = new DatabaseSync(join(nvme, 'node.db'))
  database.exec("UPDATE setting SET value = 'another' WHERE name = 'boot'")
  database.close()
}

function placeOf(
  disk: Ext4Disk,
  directory: string,
  restore: () => Promise<void>,
  dispose: () => Promise<void> | void,
): PowerPlace {
  const cut = (): void => disk.cut()
  return { directory, cut, restore, [Symbol.asyncDispose]: async () => dispose() }
}
