/** Targets on which cases run: plain ext4, which validates them, and the mounts. */
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Cluster } from '../fixtures/cluster.ts'
import { Ext4Disk } from '../fixtures/ext4-disk.ts'
import { RemoteHome } from '../fixtures/mounted-remote.ts'

/** A directory for cases; removed when disposed of. */
export interface Place extends AsyncDisposable {
  readonly directory: string
}

export interface Target {
  name: string
  open(): Promise<Place>
}

const DISK_MEGABYTES = 512

export const ONE_NODE = 'one node'
export const ONE_NODE_OFF = 'one node, passthrough off'
export const CLUSTER_NODE = 'a node of a cluster'
export const FILE_MOUNT = 'cachefs mount'

export const ext4: Target = {
  name: 'ext4',
  open: () => {
    const disk = new Ext4Disk(DISK_MEGABYTES)
    return Promise.resolve(placeOf(disk.path, () => disk[Symbol.dispose]()))
  },
}

function oneNode(name: string, passthrough: 'always' | 'off'): Target {
  return {
    name,
    open: async () => {
      const home = new ClientHome()
      const flags = ['-chunk-size', '1', '-passthrough', passthrough]
      const node = await ClientProcess.start(home, { flags })
      return placeOf(home.mount, async () => {
        await node.kill()
        home[Symbol.dispose]()
      })
    },
  }
}

const clusterNode: Target = {
  name: CLUSTER_NODE,
  open: async () => {
    const cluster = await Cluster.start({ nodes: 1, flags: ['-chunk-size', '1'] })
    return placeOf(cluster.mount(0), () => cluster[Symbol.asyncDispose]())
  },
}

const fileMount: Target = {
  name: FILE_MOUNT,
  open: async () => {
    const home = new RemoteHome()
    const mounted = await home.start(['--remote', home.remoteUrl])
    return placeOf(home.mount, async () => {
      await mounted.stop('SIGKILL')
      home[Symbol.dispose]()
    })
  },
}

export const mounts: readonly Target[] = [
  oneNode(ONE_NODE, 'always'),
  oneNode(ONE_NODE_OFF, 'off'),
  clusterNode,
  fileMount,
]

function placeOf(directory: string, dispose: () => Promise<void> | void): Place {
  return { directory, [Symbol.asyncDispose]: async () => dispose() }
}
