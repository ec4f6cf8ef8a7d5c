/**
 * An existing container of Azure Blob Storage, or the part of it below a prefix, as a file system:
 *
 *     const files = new AzureFS({ account: 'data', key, container: 'reports' })
 */
import { address, checkOptions, name, required, secret, text } from '../../base/options.ts'
import type { OptionRule } from '../../base/options.ts'
import type { AzureTierOptions } from '../../tiers/cloud/azure/azure-tier.ts'
import { ObjectFS } from '../object/object-fs.ts'
import { AzureStore } from './azure-store.ts'

export type AzureOptions = AzureTierOptions

const RULES: { [K in keyof Required<AzureOptions>]: OptionRule } = {
  account: required(name('the name of a storage account')),
  key: required(secret(name('the key of the account, in base64'))),
  container: required(name('the name of a container')),
  endpoint: address('the URL of a server, such as http://127.0.0.1:10000/devstoreaccount1'),
  prefix: text('the beginning of names, as text'),
}

function checked(options: AzureOptions): AzureOptions {
  checkOptions('AzureFS', RULES, options)
  return options
}

export class AzureFS extends ObjectFS {
  constructor(options: AzureOptions) {
    super(new AzureStore(checked(options)), options.prefix)
  }
}
