/**
 * Which volume this is. The bucket says it in `volume.json`, the NVMe directory in its database;
 * both have to agree, so that no node mixes two volumes. A new volume begins where neither says
 * anything.
 */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { FsError, codeOf, describe } from '../../base/fs-error.ts'
import type { TierStorage } from '../../tiers/tier-storage.ts'

/** Says which volume a cloud has. */
export const VOLUME_KEY = 'volume.json'
const FORMAT = 1

const identitySchema = z.object({
  format: z.literal(FORMAT),
  volume: z.uuid(),
  chunkSize: z.number().int().positive(),
  createdAt: z.string(),
})

export type VolumeIdentity = z.infer<typeof identitySchema>

/** What the bucket says; undefined where it says nothing. */
export async function readIdentity(cloud: TierStorage): Promise<VolumeIdentity | undefined> {
  let text: string
  try {
    text = (await cloud.read(VOLUME_KEY)).toString('utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    return identitySchema.parse(JSON.parse(text))
  } catch (cause) {
    const message =
      `${VOLUME_KEY} in ${cloud.name} is not of a volume that this version reads: ` +
      'use another bucket or prefix, or restore that object'
    throw new FsError('EINVAL', message, { cause: describe(cause).slice(0, 200) })
  }
}

export function newIdentity(chunkSize: number): VolumeIdentity {
  return { format: FORMAT, volume: randomUUID(), chunkSize, createdAt: new Date().toISOString() }
}

export async function writeIdentity(cloud: TierStorage, identity: VolumeIdentity): Promise<void> {
  await cloud.write(VOLUME_KEY, Buffer.from(`${JSON.stringify(identity, null, 2)}\n`))
}

/**
 * Throws where the directory's volume and the bucket's are not the same. A volume that was being
 * made when the process ended may be in the directory only (`isNew`).
 */
export function checkIdentity(
  directory: string,
  local: string | undefined,
  cloud: TierStorage,
  remote: VolumeIdentity | undefined,
  isNew: boolean,
): void {
  if (local === remote?.volume) return
  if (isNew && remote === undefined) return
  if (local !== undefined) {
    const found = remote ? `has volume ${remote.volume}` : `has no volume (no ${VOLUME_KEY})`
    const message =
      `the NVMe directory ${directory} belongs to volume ${local}, but ${cloud.name} ${found}: ` +
      'use the bucket it belongs to, or another -nvme directory'
    throw new FsError('EINVAL', message, { path: directory })
  }
  const message =
    `${cloud.name} holds volume ${remote?.volume ?? ''}, whose names are not in ${directory} ` +
    '(no volume.db): ' +
    'restore that file, use the NVMe directory of that volume, or an empty bucket'
  throw new FsError('EINVAL', message, { path: directory })
}
