export {
  type Answerer,
  type Asked,
  answerPacket,
  type DnsAnswer,
  readQuery,
  type Transport,
  writeReply,
} from './exchange.ts'
export {
  type DomainName,
  formatName,
  isName,
  isWithin,
  lowerCase,
  nameBytes,
  nameKey,
  parseName,
  ROOT,
} from './names.ts'
export { MAX_MESSAGE_BYTES, readMessage } from './read-message.ts'
export { TcpFrames, toTcpFrame } from './tcp-frames.ts'
export {
  CLASS_ANY,
  CLASS_IN,
  type DnsMessage,
  type Edns,
  type MalformedMessage,
  OPCODE_QUERY,
  type Question,
  type ReadMessage,
  type RecordData,
  type ResourceRecord,
  rcodes,
  recordTypes,
} from './types.ts'
export { writeMessage } from './write-message.ts'
