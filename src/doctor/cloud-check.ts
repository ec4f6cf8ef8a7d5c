/**
 * Checks that the cloud of a node answers and accepts the keys, or that the folder of provider
 * `file` can be used.
 *
 * Invariant: the check creates nothing.
 */
import { access, constants } from 'node:fs/promises'
import { describe } from '../base/fs-error.ts'
import { openCloudTier } from '../tiers/cloud/open-cloud-tier.ts'
import { found, lacking } from './doctor-check.ts'
import type { Finding } from './doctor-check.ts'
import { nearestFolder } from './nearest-folder.ts'
import type { NodeOptions } from '../options/node-options.ts'

const TIMEOUT_MS = 20_000

type Place = Pick<NodeOptions, 'cloud' | 'create'>

export async function checkCloud({ cloud: options, create }: Place): Promise<Finding> {
  // Opening it as a tier would create folders in it.
  if (options.provider === 'file') return await checkFolder(options.dir, create)
  const { provider } = options
  try {
    const cloud = await openCloudTier(options)
    try {
      await cloud.check({ signal: AbortSignal.timeout(TIMEOUT_MS) })
      return found('cloud', `${cloud.name} answers`)
    } finally {
      await cloud.close()
    }
  } catch (error) {
    return lacking('cloud', describe(error), `look at the --${provider}-... flags and the keys`)
  }
}

async function checkFolder(path: string, create: boolean): Promise<Finding> {
  const folder = await nearestFolder(path)
  if (folder !== path && !create) {
    return lacking('cloud', `there is no folder ${path}`, 'make it, or start with --create')
  }
  try {
    await access(folder, constants.W_OK)
    return found('cloud', folder === path ? `the folder ${path}` : `${path} will be made`)
  } catch (error) {
    return lacking('cloud', describe(error), 'choose another folder with --cloud-dir')
  }
}
