/**
 * Identity of a volume: the bucket has it in `volume.json`, the NVMe directory in its database. The
 * two must agree, so that no node mixes two volumes. A new volume is created if neither has one.
 */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { FsError, codeOf, describe } from '../../base/fs-error.ts'
import type { TierStorage } from '../../tiers/tier-storage.ts'

/** Object that has the identity of the volume of a cloud. */
export const VOLUME_KEY = 'volume.json'
const FORMAT = 1

const identitySchema = z.object({
  format: z.literal(FORMAT),
  volume: z.uuid(),
  chunkSize: z.number().int().positive(),
  createdAt: z.string(),
})

export type VolumeIdentity = z.infer<typeof identitySchema>

/** Reads the identity from the bucket; undefined if it has none, EINVAL if it cannot be parsed. */
export async function readIdentity(cloud: TierStorage): Promise<VolumeIdentity | undefined> {
  let text: string
  try {
    text = (await cloud.read(VOLUME_KEY)).toString('utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    return parseIdentity(text)
  } catch (cause) {
    const message =
      `${VOLUME_KEY} in ${cloud.name} is not of a volume that this version reads: ` +
      'use another bucket or prefix, or restore that object'
    throw new FsError('EINVAL', message, { cause: describe(cause).slice(0, 200) })
  }
}

/** The identity as it is in the metadata. */
export function parseIdentity(text: string): VolumeIdentity {
  return identitySchema.parse(JSON.parse(text))
}

export function newIdentity(chunkSize: number): VolumeIdentity {
  return { format: FORMAT, volume: randomUUID(), chunkSize, createdAt: new Date().toISOString() }
}

export async function writeIdentity(cloud: TierStorage, identity: VolumeIdentity): Promise<void> {
  await cloud.write(VOLUME_KEY, Buffer.from(`${JSON.stringify(identity, null, 2)}\n`))
}

/**
 * EINVAL if the directory and the bucket have different volumes. If the process ended while a
 * volume was being created, only the directory may have it (`isNew`).
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
