/**
 * Opens the tier that the flags name. The SDKs are loaded here, when one is wanted: together they
 * take longer than the rest of the start.
 */
import type { TierStorage } from '../tier-storage.ts'
import type { AzureTierOptions } from './azure/azure-tier.ts'
import type { FileTierOptions } from './file/file-tier.ts'
import type { S3TierOptions } from './s3/s3-tier.ts'

export type CloudTierOptions =
  | ({ provider: 'file' } & FileTierOptions)
  | ({ provider: 's3' } & S3TierOptions)
  | ({ provider: 'azure' } & AzureTierOptions)

export async function openCloudTier(options: CloudTierOptions): Promise<TierStorage> {
  switch (options.provider) {
    case 'file': {
      const { FileTier } = await import('./file/file-tier.ts')
      return await FileTier.open(options)
    }
    case 's3': {
      const { S3Tier } = await import('./s3/s3-tier.ts')
      return await S3Tier.open(options)
    }
    case 'azure': {
      const { AzureTier } = await import('./azure/azure-tier.ts')
      return await AzureTier.open(options)
    }
  }
}
