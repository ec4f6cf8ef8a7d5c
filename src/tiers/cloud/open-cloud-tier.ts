/**
 * Opens the tier that the flags select. The SDKs are imported on demand, because loading them takes
 * longer than the rest of the start.
 */
import { codeOf } from '../../base/fs-error.ts'
import type { TierStorage } from '../tier-storage.ts'
import type { AzureTierOptions } from './azure/azure-tier.ts'
import type { FileTierOptions } from './file/file-tier.ts'
import type { S3TierOptions } from './s3/s3-tier.ts'

export type CloudTierOptions =
  | ({ provider: 'file' } & Omit<FileTierOptions, 'create'>)
  | ({ provider: 's3' } & S3TierOptions)
  | ({ provider: 'azure' } & AzureTierOptions)

/** `create`: create the directory, bucket or container if it does not exist. */
export async function openCloudTier(
  options: CloudTierOptions,
  { create = false }: { create?: boolean } = {},
): Promise<TierStorage> {
  switch (options.provider) {
    case 'file': {
      const { FileTier } = await import('./file/file-tier.ts')
      return await FileTier.open({ ...options, create })
    }
    case 's3': {
      const { S3Tier } = await import('./s3/s3-tier.ts')
      const tier = await S3Tier.open(options)
      if (create) await createStore(tier)
      return tier
    }
    case 'azure': {
      const { AzureTier } = await import('./azure/azure-tier.ts')
      const tier = await AzureTier.open(options)
      if (create) await createStore(tier)
      return tier
    }
  }
}

/**
 * An unreachable store is no failure: the bucket may exist, and later calls report if it does not.
 */
async function createStore(tier: TierStorage & { create(): Promise<void> }): Promise<void> {
  try {
    await tier.create()
  } catch (error) {
    if (['EIO', 'ETIMEDOUT'].includes(codeOf(error))) return
    await tier.close()
    throw error
  }
}
