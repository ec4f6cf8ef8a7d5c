/** The clouds for the steps: a directory, or an S3 or Azure server that the script starts. */
import type { ClientOptions } from '../../test/fixtures/client-process.ts'
import { startAzureServer } from '../../test/fixtures/azure-server.ts'
import { startS3Server } from '../../test/fixtures/s3-server.ts'

export const CLOUDS = ['file', 's3', 'azure'] as const
export type CloudName = (typeof CLOUDS)[number]

export interface Cloud extends AsyncDisposable {
  client: ClientOptions
}

export async function openCloud(name: CloudName): Promise<Cloud> {
  switch (name) {
    case 'file':
      return { client: {}, [Symbol.asyncDispose]: () => Promise.resolve() }
    case 's3':
      return await openS3()
    case 'azure':
      return await openAzure()
  }
}

async function openS3(): Promise<Cloud> {
  const server = await startS3Server()
  const { bucket, region, endpoint, accessKeyId, secretAccessKey } = server.options
  const environment = {
    AWS_ACCESS_KEY_ID: accessKeyId ?? '',
    AWS_SECRET_ACCESS_KEY: secretAccessKey ?? '',
  }
  const provider = ['-cloud-provider', 's3', '-s3-bucket', bucket, '-s3-endpoint', endpoint]
  const flags = [...provider, '-s3-region', region]
  return {
    client: { flags, environment },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

async function openAzure(): Promise<Cloud> {
  const server = await startAzureServer()
  const { account, key, container, endpoint } = server.options
  const provider = ['-cloud-provider', 'azure', '-azure-account', account]
  const flags = [...provider, '-azure-container', container, '-azure-endpoint', endpoint]
  return {
    client: { flags, environment: { AZURE_STORAGE_KEY: key } },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
