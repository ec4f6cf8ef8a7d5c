/**
 * The options of a coordinator, parsed and checked together. Without a key it listens on loopback
 * only: every client that is admitted can read and change all metadata.
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { LogFormat, LogLevel } from '../base/log/logger.ts'
import { parsePostgresUrl } from '../metadata/postgres/connection-settings.ts'
import type { PostgresAddress } from '../metadata/postgres/connection-settings.ts'
import { addFlags, flag, optionalFlag, readFlags } from './flag.ts'
import type { Environment } from './flag.ts'
import { checkExposure } from './loopback.ts'
import {
  JOIN_FLAGS,
  KEY_FLAGS,
  NODE_FLAGS,
  givenJoinToken,
  givenKey,
  parsePath,
  parsePort,
} from './node-flags.ts'
import { UsageError } from './usage-error.ts'

export interface CoordinatorOptions {
  host: string
  /** 0: any free port. */
  port: number
  /** Absolute. */
  dataDir: string
  /** Undefined: the metadata is in SQLite in the data directory. */
  postgres: PostgresAddress | undefined
  /** The given key; undefined: the coordinator generates one and keeps it. */
  apiKey: string | undefined
  /**
   * A given token: then only it admits new nodes. Undefined: a generated token or the API key does.
   */
  joinToken: string | undefined
  /** As `apiKey`. */
  metricsToken: string | undefined
  logLevel: LogLevel
  logFormat: LogFormat
}

/** Data directory without --data. */
export const USUAL_DATA = join(homedir(), '.cachefs/coordinator')

export const COORDINATOR_FLAGS = {
  host: optionalFlag({
    value: '<address>',
    about: 'listen address; all addresses with an API key or POD_IP, else 127.0.0.1',
    parse: String,
  }),
  port: flag('8080', {
    value: '<port>',
    about: 'port of the API and the links of nodes; 0: any free port',
    parse: parsePort,
  }),
  data: optionalFlag({
    value: '<dir>',
    about: 'data directory (default ~/.cachefs/coordinator)',
    parse: parsePath,
  }),
  store: flag('sqlite', {
    value: '<store>',
    about: 'metadata store: sqlite (in --data) or postgres://USER@HOST/DATABASE',
    parse: String,
  }),
  ...KEY_FLAGS,
  ...JOIN_FLAGS,
  'metrics-token': NODE_FLAGS['metrics-token'],
  'log-level': NODE_FLAGS['log-level'],
  'log-format': NODE_FLAGS['log-format'],
}

export function addCoordinatorFlags(command: Command): void {
  addFlags(command, COORDINATOR_FLAGS)
}

/** Options of a parsed command. UsageError: the message has the remedy. */
export function readCoordinatorOptions(
  command: Command,
  environment: Environment,
): CoordinatorOptions {
  const values = readFlags(command, COORDINATOR_FLAGS, environment)
  const postgres = parseStore(values.store)
  const apiKey = givenKey(values)
  const joinToken = givenJoinToken(values)
  const isGiven = (apiKey ?? joinToken) !== undefined
  const isForOthers = isGiven || (environment['POD_IP'] ?? '') !== ''
  const host = values.host ?? (isForOthers ? '0.0.0.0' : '127.0.0.1')
  checkExposure(host, apiKey ?? joinToken)
  return {
    host,
    port: values.port,
    postgres,
    dataDir: values.data ?? USUAL_DATA,
    apiKey,
    joinToken,
    metricsToken: values['metrics-token'],
    logLevel: values['log-level'],
    logFormat: values['log-format'],
  }
}

/** Not a parser of the flag: its error would repeat the URL, and with it a password. */
function parseStore(store: string): PostgresAddress | undefined {
  if (store === 'sqlite') return undefined
  try {
    return parsePostgresUrl(store)
  } catch {
    throw new UsageError('--store: give sqlite, or postgres://USER@HOST:PORT/DATABASE')
  }
}
