/**
 * `cachefs up`: starts one node with its own state folder. Unless flags name others, it is a
 * single-node volume whose cloud is a local folder. Runs in the foreground until Ctrl-C, or in the
 * background.
 */
import type { Command } from 'commander'
import { DIR_FLAG, JSON_FLAG } from '../api-flags.ts'
import { keyFile } from '../../node/api-secrets.ts'
import { startDetached } from '../../daemon/detached.ts'
import { addFlags, readFlags, switchFlag } from '../../options/flag.ts'
import { addNodeFlags, readNodeOptions } from '../../options/node-options.ts'
import type { NodeOptions } from '../../options/node-options.ts'
import { runNode } from '../../node/run-node.ts'
import { runningIn } from '../../machine/running-record.ts'
import { StateFolder } from '../../machine/state-folder.ts'

const FLAGS = {
  ...DIR_FLAG,
  ...JSON_FLAG,
  detach: switchFlag('run in the background, logging to node.log in --dir'),
}

/** Printed when the node runs. */
interface Introduction {
  mountPoint: string
  apiUrl: string
  cloud: string
  folder: string
  /** File with the API key; undefined: the user gave the key. */
  keyFile: string | undefined
}

export function addUp(program: Command): void {
  const command = program
    .command('up')
    .description('Start a single-node volume with a local directory as its cloud')
  addFlags(command, FLAGS)
  addNodeFlags(command, new StateFolder().nodeDefaults)
  command.action(async () => {
    const { dir, json, detach } = readFlags(command, FLAGS, process.env)
    const folder = new StateFolder(dir)
    const options = withOwnCloud(readNodeOptions(command, process.env, folder.nodeDefaults), folder)
    folder.make()
    await refuseSecond(folder)
    if (detach && process.send === undefined) {
      const node = await startDetached(program, folder)
      introduce(introductionOf(node, options, folder), json)
    } else {
      await runHere(folder, options, json)
    }
  })
}

/** The default cloud folder is part of the state folder, so it is created. */
function withOwnCloud(options: NodeOptions, { nodeDefaults }: StateFolder): NodeOptions {
  const { cloud } = options
  const isOwn = cloud.provider === 'file' && cloud.dir === nodeDefaults['cloud-dir']
  return isOwn ? { ...options, create: true } : options
}

async function refuseSecond(folder: StateFolder): Promise<void> {
  const node = await runningIn(folder.path, 'node')
  if (node === undefined) return
  const { pid, mountPoint } = node
  throw new Error(
    `a node already runs in ${folder.path} (process ${pid}, mounted at ${mountPoint}): ` +
      'stop it with `cachefs umount`, or give another --dir, --port and --mount',
  )
}

async function runHere(folder: StateFolder, options: NodeOptions, json: boolean): Promise<void> {
  await runNode(options, folder.path, (node) => {
    const ready = { mountPoint: node.mount.mountPoint, apiUrl: node.apiUrl }
    introduce(introductionOf(ready, options, folder), json)
    // The IPC channel exists if this process was started in the background by `up --detach`.
    process.send?.(ready)
  })
}

function introductionOf(
  { mountPoint, apiUrl }: Pick<Introduction, 'mountPoint' | 'apiUrl'>,
  { cloud, apiKey }: NodeOptions,
  folder: StateFolder,
): Introduction {
  const place = cloud.provider === 'file' ? `the folder ${cloud.dir}` : cloud.provider
  const key = apiKey === undefined ? keyFile(folder.path) : undefined
  return { mountPoint, apiUrl, cloud: place, folder: folder.path, keyFile: key }
}

function introduce(introduction: Introduction, json: boolean): void {
  if (json) {
    console.log(JSON.stringify(introduction))
    return
  }
  const { mountPoint, apiUrl, cloud, folder, keyFile: key } = introduction
  console.log(`ready mount=${mountPoint} api=${apiUrl}

  files   ${mountPoint}
  API     ${apiUrl}/api/status${key === undefined ? '' : `, with the key in ${key}`}
  cloud   ${cloud}

Try, in another terminal:
  cp -r some-folder ${mountPoint}/
  cachefs wait ${mountPoint}          until the cloud has it all
  cachefs receipt ${mountPoint}/FILE  where its bytes are
  cachefs status --dir ${folder}
Stop with: cachefs umount ${mountPoint}`)
}
