export {
  clientFrame,
  closePayload,
  FrameReader,
  type FrameReaderSettings,
  OPCODE,
  type ReceivedFrame,
  serverFrame,
} from './frames.ts'
