/** Recognises loopback addresses, which only this machine can reach. */
import { BlockList, isIP } from 'node:net'
import { UsageError } from './usage-error.ts'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8)
LOOPBACK.addAddress('::1', 'ipv6')

export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  const version = isIP(bare)
  if (version === 0) return bare.toLowerCase() === 'localhost'
  return LOOPBACK.check(bare, version === 6 ? 'ipv6' : 'ipv4')
}

/** Requires a given key for other addresses: no client on another machine has a generated key. */
export function checkExposure(host: string, apiKey: string | undefined): void {
  if (apiKey !== undefined || isLoopback(host)) return
  throw new UsageError(
    `other machines reach ${host}, so give an API key (--api-key-file, or CACHEFS_API_KEY), ` +
      'or listen on --host 127.0.0.1',
  )
}
