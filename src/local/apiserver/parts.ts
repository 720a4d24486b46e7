import { fieldManagement } from './apply/index.ts'
import { createCrdDefinition } from './crd/index.ts'
import { createOpenApi } from './openapi/index.ts'
import { applyPatch } from './patch/index.ts'
import { decodeProtobuf } from './protobuf/index.ts'
import type { ServerParts } from './types.ts'

/** What the folders of this room give to a server. */
export const apiParts: ServerParts = {
  applyPatch,
  fieldManagement,
  decodeProtobuf,
  createOpenApi,
  createCrdDefinition,
  createStreams: () => {
    throw new TypeError('this server was given no streams')
  },
}
