import { createRequire } from 'node:module'

/*
 * llhttp, the parser of Node, as undici ships it: an independent opinion of what a request is. Offsets become text here,
 * because this is an oracle and not a parser to serve with.
 */

interface LlhttpExports {
  readonly memory: { readonly buffer: ArrayBuffer }
  _initialize?(): void
  llhttp_alloc(type: number): number
  llhttp_free(parser: number): void
  malloc(bytes: number): number
  free(pointer: number): void
  llhttp_execute(parser: number, pointer: number, bytes: number): number
}

/** A message that llhttp found complete. */
export interface OracleMessage {
  readonly target: string
  readonly body: string
}

export interface OracleOpinion {
  readonly messages: readonly OracleMessage[]
  /** It refused something, behind those messages. */
  readonly isRefused: boolean
}

const REQUEST = 1

let sink: { url: string; body: string; readonly messages: OracleMessage[] } | undefined

function textAt(at: number, bytes: number): string {
  return Buffer.from(llhttp.memory.buffer, at, bytes).toString('latin1')
}

const callbacks = {
  wasm_on_message_begin: () => 0,
  wasm_on_url: (_parser: number, at: number, bytes: number) => {
    if (sink !== undefined) sink.url += textAt(at, bytes)
    return 0
  },
  wasm_on_status: () => 0,
  wasm_on_header_field: () => 0,
  wasm_on_header_value: () => 0,
  wasm_on_headers_complete: () => 0,
  wasm_on_body: (_parser: number, at: number, bytes: number) => {
    if (sink !== undefined) sink.body += textAt(at, bytes)
    return 0
  },
  wasm_on_message_complete: () => {
    sink?.messages.push({ target: sink.url, body: sink.body })
    if (sink !== undefined) sink.url = sink.body = ''
    return 0
  },
}

/** What is used of the global; its types belong to browsers' libraries, which are not loaded. */
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    readonly Module: new (code: Uint8Array) => object
    readonly Instance: new (module: object, imports: object) => { readonly exports: unknown }
  }
}

const llhttp = load()

function load(): LlhttpExports {
  // A Buffer of WebAssembly; undici has no types for it.
  const code = createRequire(import.meta.url)('undici/lib/llhttp/llhttp-wasm.js') as Buffer
  const instance = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(code)), { env: callbacks })
  const exports = instance.exports as LlhttpExports
  exports._initialize?.()
  return exports
}

/** What llhttp makes of these bytes of a client, all at once. */
export function askLlhttp(bytes: Buffer): OracleOpinion {
  const parser = llhttp.llhttp_alloc(REQUEST)
  const pointer = llhttp.malloc(bytes.length)
  const messages: OracleMessage[] = []
  sink = { url: '', body: '', messages }
  try {
    new Uint8Array(llhttp.memory.buffer, pointer, bytes.length).set(bytes)
    return { messages, isRefused: llhttp.llhttp_execute(parser, pointer, bytes.length) !== 0 }
  } finally {
    sink = undefined
    llhttp.free(pointer)
    llhttp.llhttp_free(parser)
  }
}
