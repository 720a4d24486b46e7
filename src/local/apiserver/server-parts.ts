import { fieldManagement } from './apply/index.ts'
import { createCrdDefinition } from './crd/index.ts'
import { createOpenApi } from './openapi/index.ts'
import { applyPatch } from './patch/index.ts'
import { decodeProtobuf } from './protobuf/index.ts'
import { createStreams } from './streams/index.ts'
import type { ServerParts } from './types.ts'

/** The parts of this room that the server is made of; each folder's door gives one. */
export const serverParts: ServerParts = {
  applyPatch,
  fieldManagement,
  decodeProtobuf,
  createOpenApi,
  createCrdDefinition,
  createStreams,
}
