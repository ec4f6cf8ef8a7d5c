/**
 * Parses `--remote` and opens the file system that it names. The SDK of a store is loaded only if
 * that store is used: loading all of them takes longer than the rest of the start.
 */
import { mkdir, realpath } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { codeOf, describe, FsError } from '../base/fs-error.ts'
import { loggerOf } from '../base/log/logger.ts'
import type { FileSystem } from '../filesystem/file-system.ts'
import { HttpFS } from '../filesystem/http/http-fs.ts'
import { LocalFS } from '../filesystem/local/local-fs.ts'
import { tiersLimits } from '../tiers/limits.ts'
import { openCloudTier, type CloudTierOptions } from '../tiers/cloud/open-cloud-tier.ts'
import { KEY_FLAGS, NODE_FLAGS, givenKey, refuseLogin } from '../options/node-flags.ts'
import { optionalFlag, switchFlag } from '../options/flag.ts'
import type { FlagValues } from '../options/flag.ts'
import { keyAt } from '../machine/running-record.ts'
import { UsageError } from '../options/usage-error.ts'

export const REMOTE_FLAGS = {
  remote: optionalFlag({
    value: '<url>',
    about: 's3://bucket/prefix, az://container/prefix, https://host/path or file:///folder',
    parse: parseRemote,
  }),
  's3-region': NODE_FLAGS['s3-region'],
  's3-endpoint': NODE_FLAGS['s3-endpoint'],
  'azure-account': NODE_FLAGS['azure-account'],
  'azure-key': NODE_FLAGS['azure-key'],
  'azure-endpoint': NODE_FLAGS['azure-endpoint'],
  ...KEY_FLAGS,
  'file-server': switchFlag('the https:// remote is a FileServer, which has all operations'),
}

export type RemoteValues = FlagValues<typeof REMOTE_FLAGS>

export type RemoteAddress =
  | { kind: 's3' | 'azure'; place: string; prefix: string }
  | { kind: 'http'; url: string }
  | { kind: 'file'; path: string }

export interface OpenRemote {
  files: FileSystem
  /** Identifies the location of the remote: a local side belongs to one remote. */
  identity: string
  /** Rejects if the remote cannot be used at present: no such bucket, wrong keys, no answer. */
  check(): Promise<void>
}

function parseRemote(text: string): RemoteAddress {
  const object = /^(s3|az):\/\/([^/]+)\/?(.*)$/.exec(text)
  if (object !== null) {
    const [, scheme, place = '', prefix = ''] = object
    return { kind: scheme === 's3' ? 's3' : 'azure', place, prefix: prefix.replace(/\/+$/, '') }
  }
  const url = URL.parse(text)
  if (url?.protocol === 'http:' || url?.protocol === 'https:') {
    refuseLogin(url)
    return { kind: 'http', url: text }
  }
  if (url?.protocol === 'file:' && url.host === '')
    return { kind: 'file', path: fileURLToPath(url) }
  throw new UsageError(`give ${REMOTE_FORMS}`)
}

const REMOTE_FORMS =
  's3://bucket/prefix, az://container/prefix, https://host/path or file:///folder'

/** `create`: creates a folder, bucket or container that does not exist. */
export async function openRemote(
  address: RemoteAddress,
  values: RemoteValues,
  { create }: { create: boolean },
): Promise<OpenRemote> {
  switch (address.kind) {
    case 's3': {
      const { place: bucket, prefix } = address
      const [region, endpoint] = [values['s3-region'], values['s3-endpoint']]
      if (create) await createPlace({ provider: 's3', bucket, region, endpoint })
      const { S3FS } = await import('../filesystem/s3/s3-fs.ts')
      const files = new S3FS({ bucket, prefix, region, endpoint })
      return {
        files,
        identity: identity('s3', endpoint, bucket, prefix),
        check: () => look(files),
      }
    }
    case 'azure': {
      const { place: container, prefix } = address
      const { account, key } = azureAccount(values)
      const endpoint = values['azure-endpoint']
      if (create) await createPlace({ provider: 'azure', account, key, container, endpoint })
      const { AzureFS } = await import('../filesystem/azure/azure-fs.ts')
      const files = new AzureFS({ account, key, container, prefix, endpoint })
      const where = identity('az', endpoint ?? account, container, prefix)
      return {
        files,
        identity: where,
        check: () => look(files),
      }
    }
    case 'http': {
      const apiKey = givenKey(values) ?? (await keyAt(address.url))
      const options = { apiKey, operations: values['file-server'] }
      const files = new HttpFS(address.url, options)
      return {
        files,
        identity: address.url.replace(/\/+$/, ''),
        check: () => (options.operations ? look(files) : lookAtServer(files, address.url)),
      }
    }
    case 'file': {
      if (create) await mkdir(address.path, { recursive: true })
      const { href } = pathToFileURL(await realPlace(address.path))
      const files = new LocalFS(address.path)
      return {
        files,
        identity: href,
        check: () => look(files),
      }
    }
  }
}

function identity(scheme: string, ...parts: (string | undefined)[]): string {
  return `${scheme}://${parts.filter((part) => part !== undefined && part !== '').join('/')}`
}

function azureAccount(values: RemoteValues): { account: string; key: string } {
  const [account, key] = [values['azure-account'], values['azure-key']]
  if (account !== undefined && key !== undefined) return { account, key }
  const missing = account === undefined ? 'account' : 'key'
  const variable = `AZURE_STORAGE_${missing.toUpperCase()}`
  throw new UsageError(`--remote az://...: set ${variable} (or give --azure-${missing})`)
}

async function createPlace(options: CloudTierOptions): Promise<void> {
  await using tier = new AsyncDisposableStack()
  const made = await openCloudTier(options, { create: true })
  tier.defer(() => made.close())
}

async function realPlace(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    const message = `there is no folder ${path}: correct its name, or have it made with --create`
    throw new FsError('ENOENT', message)
  }
}

/**
 * Not every web server lists its root: it only has to answer. A CacheFS node has to grant access.
 */
async function lookAtServer(files: HttpFS, url: string): Promise<void> {
  try {
    await look(files)
  } catch (error) {
    const isAnswer = ['ENOENT', 'EACCES', 'EOPNOTSUPP'].includes(codeOf(error))
    if (!isAnswer || isNodeApi(url)) throw error
    loggerOf('FUSE').warn(
      `${url} lists no files, only names that are known work: ${describe(error)}`,
    )
  }
}

function isNodeApi(url: string): boolean {
  return /\/api\/files\/?$/.test(new URL(url).pathname)
}

async function look(files: FileSystem): Promise<void> {
  const signal = AbortSignal.timeout(tiersLimits.cloudCheckMs)
  for await (const _ of files.list('/', { signal })) return
}
