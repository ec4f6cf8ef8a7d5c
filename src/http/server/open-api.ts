/**
 * OpenAPI 3 description of an API, generated from the registered routes. Adds what Fastify's route
 * patterns do not express: that the rest of a URL is a path, and that a key is required.
 */
import type { SwaggerOptions } from '@fastify/swagger'

const PATH_PARAMETER = {
  type: 'object',
  properties: {
    path: {
      type: 'string',
      description: 'Path within the volume, slashes as they are, all else percent-encoded',
    },
  },
} as const

export function describeApi(title: string, version: string): SwaggerOptions {
  return {
    exposeHeadRoutes: true,
    openapi: {
      openapi: '3.0.3',
      info: { title, version },
      components: {
        securitySchemes: { key: { type: 'apiKey', in: 'header', name: 'X-API-Key' } },
      },
      security: [{ key: [] }],
    },
    transform: ({ schema, url }) => {
      if (!url.endsWith('*')) return { schema, url }
      const named = { ...schema, params: PATH_PARAMETER }
      return { schema: named, url: url.replace(/\*$/, ':path') }
    },
    transformObject: (document) => {
      if (!('openapiObject' in document)) return document.swaggerObject
      const { openapiObject } = document
      const files = openapiObject.paths?.['/api/files/{path}']
      if (files !== undefined) openapiObject.paths!['/api/files/{path}/size'] = SIZE_PATH
      return openapiObject
    },
  }
}

/** Not a separate route: a file of that name takes precedence (http/node/file-routes.ts). */
const SIZE_PATH = {
  get: {
    summary: 'The size of the file at {path}, unless a file named size is there',
    tags: ['files'],
    parameters: [{ name: 'path', in: 'path', required: true, schema: { type: 'string' as const } }],
    responses: { '200': { description: 'path and size' } },
  },
}
