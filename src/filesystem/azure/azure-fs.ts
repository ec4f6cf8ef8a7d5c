/**
 * An existing container, or what lies in it under a prefix, as a file system:
 *
 *     const files = new AzureFS({ account: 'data', key, container: 'reports' })
 */
import type { AzureTierOptions } from '../../tiers/cloud/azure/azure-tier.ts'
import { ObjectFS } from '../object/object-fs.ts'
import { AzureStore } from './azure-store.ts'

export type AzureOptions = AzureTierOptions

export class AzureFS extends ObjectFS {
  constructor(options: AzureOptions) {
    super(new AzureStore(options), options.prefix)
  }
}
