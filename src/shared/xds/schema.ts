import { fileURLToPath } from 'node:url'
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader'
import { MeshError, reasonOf } from '#shared/errors'
import type {
  AddressMessage,
  AuthorizationMessage,
  CertificateReply,
  CertificateRequestMessage,
  ClientConfigMessage,
  DeltaRequest,
  DeltaResponse,
  StateRequest,
  StateResponse,
} from './messages.ts'
import { type Descriptor, type MessageShape, shapeOf } from './unknown-fields.ts'

/** Bytes of one message ⇄ plain record; field names in camel case, enums as numbers, absent scalars as their zero. */
export interface MessageCodec<T> {
  encode(message: Written<T>): Buffer
  /** @throws MeshError `RESOURCE_INVALID` when the bytes are no such message */
  decode(bytes: Uint8Array): T
}

/** What may be left out when a message is written: everything, at any depth. */
export type Written<T> = T extends readonly (infer Item)[]
  ? readonly Written<Item>[]
  : T extends Uint8Array
    ? T
    : T extends object
      ? { readonly [Key in keyof T]?: Written<T[Key]> }
      : T

export interface Schema {
  readonly deltaRequest: MessageCodec<DeltaRequest>
  readonly deltaResponse: MessageCodec<DeltaResponse>
  readonly address: MessageCodec<AddressMessage>
  readonly authorization: MessageCodec<AuthorizationMessage>
  readonly certificateRequest: MessageCodec<CertificateRequestMessage>
  readonly certificateReply: MessageCodec<CertificateReply>
  readonly addressShape: MessageShape
  readonly authorizationShape: MessageShape
}

/** What only a control plane speaks, to people's tools. */
export interface StatusSchema {
  readonly request: MessageCodec<StateRequest>
  readonly response: MessageCodec<StateResponse>
  readonly clientConfig: MessageCodec<ClientConfigMessage>
}

const FILES = ['discovery.proto', 'workload.proto', 'authorization.proto', 'certificate-service.proto']

let loaded: Schema | undefined
let loadedStatus: StatusSchema | undefined

/** Reads the .proto files on first use, about 30 ms; programs that speak no xDS never pay for it. */
export function schema(): Schema {
  loaded ??= load()
  return loaded
}

function load(): Schema {
  const { codec, shape } = loadMessages(FILES)
  return {
    addressShape: shape('istio.workload.Address'),
    authorizationShape: shape('istio.security.Authorization'),
    deltaRequest: codec('envoy.service.discovery.v3.DeltaDiscoveryRequest'),
    deltaResponse: codec('envoy.service.discovery.v3.DeltaDiscoveryResponse'),
    address: codec('istio.workload.Address'),
    authorization: codec('istio.security.Authorization'),
    certificateRequest: codec('istio.v1.auth.IstioCertificateRequest'),
    certificateReply: codec('istio.v1.auth.IstioCertificateResponse'),
  }
}

/** As `schema`, for the few who ask for it. */
export function statusSchema(): StatusSchema {
  loadedStatus ??= loadStatus()
  return loadedStatus
}

function loadStatus(): StatusSchema {
  const { codec } = loadMessages(['discovery.proto', 'status.proto'])
  return {
    request: codec('envoy.service.discovery.v3.DiscoveryRequest'),
    response: codec('envoy.service.discovery.v3.DiscoveryResponse'),
    clientConfig: codec('envoy.service.status.v3.ClientConfig'),
  }
}

/** Messages of some .proto files, by their full names. */
export interface Messages {
  codec<T>(name: string): MessageCodec<T>
  shape(name: string): MessageShape
}

/** Reads files of `proto/`. */
export function loadMessages(files: string[]): Messages {
  const folder = fileURLToPath(new URL('./proto/', import.meta.url))
  const definitions = loadSync(files, {
    includeDirs: [folder],
    longs: Number,
    defaults: true,
    arrays: true,
    objects: true,
    oneofs: true,
  })
  const codec = <T>(name: string): MessageCodec<T> => {
    // The library's types cannot know which of its union a name stands for; every name that is asked for is a message.
    const message = definitions[name] as unknown as MessageTypeDefinition<object, object>
    return {
      encode: (record) => message.serialize(record as object),
      decode(bytes) {
        try {
          return message.deserialize(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)) as T
        } catch (cause) {
          throw new MeshError('RESOURCE_INVALID', `not a ${name}: ${reasonOf(cause)}`, { cause })
        }
      },
    }
  }
  const descriptor = (name: string): Descriptor | undefined =>
    // As above: what has such a name is a message, and its type a descriptor.
    definitions[name]?.type as unknown as Descriptor | undefined
  return { codec, shape: (name) => shapeOf(name, descriptor) }
}
