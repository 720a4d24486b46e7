import { errnoName } from '../libc.ts'
import { Attributes, aligned, viewOf } from './attributes.ts'
import { NetlinkError } from './netlink-error.ts'

/** nlmsg_flags. */
export const NLM_F_REQUEST = 0x1
export const NLM_F_ACK = 0x4
export const NLM_F_DUMP_INTR = 0x10
const NLM_F_CAPPED = 0x100
const NLM_F_ACK_TLVS = 0x200
export const NLM_F_DUMP = 0x300
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800

/** nlmsg_type of the protocol itself. */
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3

const HEADER_BYTES = 16
const NLMSGERR_ATTR_MSG = 1

/** What is sent: body without the header. */
export interface Request {
  /** For the error text: `add table ambit`. */
  readonly what: string
  readonly type: number
  /** Besides NLM_F_REQUEST. */
  readonly flags: number
  readonly body: Uint8Array
}

export interface Message {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  readonly body: Uint8Array
}

/** `struct nlmsghdr` and body, padded to 4 bytes. */
export function encodeMessage(message: Message): Uint8Array {
  const length = HEADER_BYTES + message.body.length
  const bytes = new Uint8Array(aligned(length))
  const view = viewOf(bytes)
  view.setUint32(0, length, true)
  view.setUint16(4, message.type, true)
  view.setUint16(6, message.flags, true)
  view.setUint32(8, message.sequence, true)
  bytes.set(message.body, HEADER_BYTES)
  return bytes
}

/** Every message of one datagram. @throws MeshError `NETLINK_REJECTED` when a length does not fit */
export function decodeMessages(bytes: Uint8Array): Message[] {
  const view = viewOf(bytes)
  const messages: Message[] = []
  let offset = 0
  while (offset + HEADER_BYTES <= bytes.length) {
    const length = view.getUint32(offset, true)
    if (length < HEADER_BYTES || offset + length > bytes.length) {
      throw new NetlinkError('reading an answer: a message is longer than its datagram', 'EBADMSG')
    }
    messages.push({
      type: view.getUint16(offset + 4, true),
      flags: view.getUint16(offset + 6, true),
      sequence: view.getUint32(offset + 8, true),
      body: bytes.subarray(offset + HEADER_BYTES, offset + length),
    })
    offset += aligned(length)
  }
  return messages
}

/** The error in an NLMSG_ERROR or NLMSG_DONE message; undefined when it is an acknowledgement. */
export function errorOf(message: Message, what: string): NetlinkError | undefined {
  const { body } = message
  const errno = body.length < 4 ? 0 : viewOf(body).getInt32(0, true)
  if (errno >= 0) return undefined
  return new NetlinkError(what, errnoName(-errno), kernelText(message))
}

/** NLMSGERR_ATTR_MSG, behind the error and the header (or all, unless capped) of the refused message. */
function kernelText({ type, flags, body }: Message): string | undefined {
  if (type !== NLMSG_ERROR || (flags & NLM_F_ACK_TLVS) === 0) return undefined
  // The header of what was refused always comes; where it does not, no words can be behind it.
  if (body.length < 4 + HEADER_BYTES) return undefined
  const refusedBytes = (flags & NLM_F_CAPPED) !== 0 ? HEADER_BYTES : aligned(viewOf(body).getUint32(4, true))
  return new Attributes(body.subarray(4 + refusedBytes)).text(NLMSGERR_ATTR_MSG)
}
